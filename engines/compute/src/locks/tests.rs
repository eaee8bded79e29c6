use super::*;
use crate::TreeId;
use crate::cell::CellKey;

fn cell(key: &str) -> CellKey {
    CellKey::new(TreeId(1), key.as_bytes())
}

struct Fixture {
    table: LockTable,
}

impl Fixture {
    /// Owners 0..n, the lower the older.
    fn new(owners: u32) -> Fixture {
        let mut table = LockTable::new();
        for owner in 0..owners {
            table.set_age(Owner(owner), u64::from(owner));
        }
        Fixture { table }
    }

    fn x(&mut self, owner: u32, key: &str) -> Acquired {
        self.table.exclusive(Owner(owner), &cell(key))
    }

    fn s(&mut self, owner: u32, from: &str, to: &str) -> Acquired {
        self.table.shared(Owner(owner), cell(from).as_bytes(), cell(to).as_bytes())
    }

    fn release(&mut self, owner: u32) -> Vec<u32> {
        let mut granted = Vec::new();
        self.table.release(Owner(owner), &mut granted);
        granted.into_iter().map(|Owner(owner)| owner).collect()
    }

    fn victim(&self, owner: u32) -> Option<u32> {
        self.table.victim(Owner(owner)).map(|Owner(owner)| owner)
    }
}

use Acquired::{Waits, Yes};

#[test]
fn a_cell_is_granted_in_order_of_arrival() {
    let mut f = Fixture::new(4);
    assert_eq!((f.x(0, "a"), f.x(0, "a")), (Yes, Yes));
    assert_eq!((f.x(2, "a"), f.x(1, "a"), f.x(3, "b")), (Waits, Waits, Yes));
    assert_eq!(f.release(0), [2]);
    assert_eq!(f.release(2), [1]);
    assert_eq!(f.release(1), []);
    assert_eq!(f.release(3), []);
    assert!(f.table.is_empty());
}

#[test]
fn a_range_keeps_writers_out_of_its_rows_and_gaps_only() {
    let mut f = Fixture::new(4);
    assert_eq!((f.s(0, "b", "d"), f.s(1, "a", "c")), (Yes, Yes));
    assert_eq!((f.x(2, "d"), f.x(2, "a0")), (Yes, Waits));
    assert_eq!(f.x(3, "c5"), Waits);
    assert_eq!(f.release(0), [3], "c5 was in the first range only");
    assert_eq!(f.release(1), [2]);
    assert_eq!((f.release(2), f.release(3)), (vec![], vec![]));
    assert!(f.table.is_empty());
}

#[test]
fn a_range_waits_behind_a_writer_that_waits() {
    let mut f = Fixture::new(4);
    assert_eq!(f.s(0, "a", "z"), Yes);
    assert_eq!(f.x(1, "m"), Waits);
    assert_eq!(f.s(2, "l", "n"), Waits, "or readers without end would starve the writer");
    assert_eq!(f.s(3, "a", "c"), Yes);
    assert_eq!(f.release(0), [1]);
    assert_eq!(f.release(1), [2]);
}

#[test]
fn a_waiter_that_gives_up_lets_those_behind_it_through() {
    let mut f = Fixture::new(4);
    assert_eq!((f.s(0, "a", "z"), f.x(1, "m"), f.s(2, "l", "n")), (Yes, Waits, Waits));
    assert_eq!(f.release(1), [2]);
    assert_eq!(f.x(3, "x"), Waits);
    assert_eq!(f.release(2), []);
    assert_eq!(f.release(0), [3]);
}

#[test]
fn an_owner_may_write_what_it_shares_ahead_of_those_who_wait_for_it() {
    let mut f = Fixture::new(3);
    assert_eq!(f.s(0, "a", "z"), Yes);
    assert_eq!(f.x(1, "m"), Waits);
    assert_eq!(f.x(0, "m"), Yes, "the other waits for this owner's range");
    assert_eq!(f.victim(1), None);
    assert_eq!(f.release(0), [1]);
}

#[test]
fn an_owner_may_extend_its_range_past_a_writer_that_waits_for_it() {
    let mut f = Fixture::new(2);
    assert_eq!((f.s(0, "a", "n"), f.x(1, "m")), (Yes, Waits));
    assert_eq!(f.s(0, "c", "z"), Yes);
    assert_eq!(f.s(0, "n", "p"), Yes);
    assert_eq!(f.release(0), [1]);
}

#[test]
fn the_youngest_of_a_cycle_is_the_victim() {
    let mut f = Fixture::new(4);
    for (owner, key) in [(0, "a"), (1, "b"), (2, "c"), (3, "d")] {
        assert_eq!(f.x(owner, key), Yes);
    }
    assert_eq!((f.x(3, "a"), f.victim(3)), (Waits, None));
    assert_eq!((f.x(0, "b"), f.victim(0)), (Waits, None));
    assert_eq!((f.x(1, "c"), f.victim(1)), (Waits, None));
    assert_eq!((f.x(2, "a"), f.victim(2)), (Waits, Some(2)), "3 waits for the cycle and is not in it");
    assert_eq!(f.release(2), [1]);
    assert_eq!(f.victim(2), None);
}

#[test]
fn two_readers_that_both_want_to_write_are_a_deadlock() {
    let mut f = Fixture::new(2);
    assert_eq!((f.s(0, "a", "z"), f.s(1, "a", "z")), (Yes, Yes));
    assert_eq!((f.x(0, "m"), f.victim(0)), (Waits, None));
    assert_eq!((f.x(1, "n"), f.victim(1)), (Waits, Some(1)));
    assert_eq!(f.release(1), [0]);
}

#[test]
fn a_cycle_through_a_queue_is_found() {
    let mut f = Fixture::new(3);
    assert_eq!((f.x(0, "a"), f.x(1, "b")), (Yes, Yes));
    assert_eq!((f.x(2, "a"), f.x(1, "a")), (Waits, Waits));
    assert_eq!((f.victim(2), f.victim(1)), (None, None));
    assert_eq!((f.x(0, "b"), f.victim(0)), (Waits, Some(1)));
}

/// Random requests against the plain definition: no two incompatible locks are held, whoever waits has a reason, and
/// when no cycle is left somebody can go on.
#[test]
fn random_requests_stay_compatible_and_never_stall() {
    const OWNERS: u32 = 8;
    let mut rng = node::Rng::new(7);
    let (mut waits, mut victims, mut grants) = (0, 0, 0);
    for _ in 0..60 {
        let mut f = Fixture::new(OWNERS);
        for age in 0..400u64 {
            let owner = rng.below(u64::from(OWNERS)) as u32;
            if f.table.is_waiting(Owner(owner)) {
                continue;
            }
            let (a, b) = (rng.below(6), rng.below(6));
            let acquired = match rng.below(10) {
                0..6 => f.x(owner, &a.to_string()),
                6..8 => f.s(owner, &a.min(b).to_string(), &(a.max(b) + 1).to_string()),
                _ => {
                    grants += f.release(owner).len();
                    f.table.set_age(Owner(owner), 1000 + age);
                    Yes
                }
            };
            if acquired == Waits {
                waits += 1;
                while let Some(victim) = f.victim(owner) {
                    victims += 1;
                    grants += f.release(victim).len();
                }
            }
            check(&f.table, OWNERS);
        }
    }
    assert!(waits > 1000 && victims > 100 && grants > 500, "{waits} {victims} {grants}");
}

fn check(table: &LockTable, owners: u32) {
    for (cell, lock) in &table.cells {
        for range in table.ranges.iter().filter(|range| range.waits.is_none()) {
            let inside = range.from <= *cell && *cell < range.to;
            assert!(!inside || lock.holder.is_none_or(|holder| holder == range.owner), "{table:?}");
        }
    }
    let mut running = false;
    for owner in (0..owners).map(Owner) {
        let waits = table.is_waiting(owner);
        running |= !waits;
        assert_eq!(waits, table.blockers(owner).next().is_some(), "{owner:?} in {table:?}");
        assert_eq!(table.victim(owner), None, "a cycle survived: {table:?}");
    }
    assert!(running, "all wait: {table:?}");
}
