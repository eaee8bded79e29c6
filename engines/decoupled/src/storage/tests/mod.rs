//! Whole storage nodes over the simulated disk, driven by hand.

mod campaign;
mod crashes;
mod disks;
mod durability;
mod healing;
mod pages;
mod promises;
mod world;
