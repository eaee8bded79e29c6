//! Whole storage nodes over the simulated disk, driven by hand.

mod crashes;
mod durability;
mod healing;
mod pages;
mod world;
