//! Quorum arithmetic: six copies, four to write, three to read (P17, section 2.1).

/// Copies of everything: V.
pub const MEMBERS: usize = 6;
/// Copies that make a write durable: Vw.
pub const WRITE_QUORUM: usize = 4;
/// Copies that find every durable write: Vr.
pub const READ_QUORUM: usize = 3;
/// Clean "never had it" answers that prove a record was never durable: V - Vw + 1.
pub const NACK_QUORUM: usize = MEMBERS - WRITE_QUORUM + 1;

const _: () = assert!(READ_QUORUM + WRITE_QUORUM > MEMBERS, "reads must meet writes");
const _: () = assert!(2 * WRITE_QUORUM > MEMBERS, "writes must meet writes");

/// The value that at least `quorum` of the members have reached: the `quorum`-th highest. Members that count for
/// nothing are given as the type's least value.
pub fn reached_by<T: Ord + Copy>(values: &[T; MEMBERS], quorum: usize) -> T {
    let mut sorted = *values;
    sorted.sort_unstable();
    sorted[MEMBERS - quorum]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subsets(size: usize) -> impl Iterator<Item = u8> {
        (0u8..1 << MEMBERS).filter(move |set| set.count_ones() as usize == size)
    }

    #[test]
    fn every_read_quorum_meets_every_write_quorum() {
        for write in subsets(WRITE_QUORUM) {
            assert!(subsets(READ_QUORUM).all(|read| read & write != 0));
            assert!(subsets(WRITE_QUORUM).all(|other| other & write != 0));
        }
    }

    #[test]
    fn three_who_never_had_it_prove_that_four_never_did() {
        for write in subsets(WRITE_QUORUM) {
            assert!(subsets(NACK_QUORUM).all(|nacks| nacks & write != 0));
            assert!(subsets(NACK_QUORUM - 1).any(|nacks| nacks & write == 0), "two nacks prove nothing");
        }
    }

    #[test]
    fn any_two_nodes_may_fail_and_writes_go_on() {
        for lost in subsets(2) {
            assert!((!lost & 0b11_1111).count_ones() as usize >= WRITE_QUORUM);
        }
    }

    #[test]
    fn reached_by_is_the_fourth_highest() {
        assert_eq!(reached_by(&[9, 1, 7, 7, 3, 0], WRITE_QUORUM), 3);
        assert_eq!(reached_by(&[5, 5, 5, 5, 0, 0], WRITE_QUORUM), 5);
    }
}
