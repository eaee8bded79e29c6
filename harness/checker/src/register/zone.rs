//! Two blocks that must each come before the other.

use super::block::Block;

/// A pair that crosses, by their numbers, if there is one. O(n log n).
///
/// A block's zone is *forward* when its first end lies before its last beginning: it then holds its register without a break
/// in between. Two forward zones that overlap cross, and so do a forward zone and a backward one inside it. No other pair
/// does, and where no pair crosses, no longer circle exists: in a circle, take the block whose first end is earliest; the block
/// before it began for the last time after that, and so crosses its own predecessor or is it.
pub fn conflict(blocks: &[Block]) -> Option<(usize, usize)> {
    let (mut forward, mut backward): (Vec<usize>, Vec<usize>) =
        (0..blocks.len()).partition(|at| blocks[*at].first_ended.0 < blocks[*at].last_began.0);
    forward.sort_unstable_by_key(|at| blocks[*at].first_ended.0);
    for pair in forward.windows(2) {
        if crosses(&blocks[pair[0]], &blocks[pair[1]]) {
            return Some((pair[0], pair[1]));
        }
    }
    backward.sort_unstable_by_key(|at| blocks[*at].last_began.0);
    let mut around = 0;
    for at in backward {
        // Forward zones do not overlap here, so only the last that began before can reach around this one.
        while forward.get(around + 1).is_some_and(|next| blocks[*next].first_ended.0 < blocks[at].last_began.0) {
            around += 1;
        }
        let outer = *forward.get(around)?;
        if crosses(&blocks[outer], &blocks[at]) {
            return Some((outer, at));
        }
    }
    None
}

/// Whether each must come before the other.
fn crosses(a: &Block, b: &Block) -> bool {
    a.first_ended.0 < b.last_began.0 && b.first_ended.0 < a.last_began.0
}
