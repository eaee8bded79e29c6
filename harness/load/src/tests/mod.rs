//! The core by hand, and whole loads in virtual time.

mod by_hand;
mod in_sim;
