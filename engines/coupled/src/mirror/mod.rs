//! Block mirroring: the topology of Verbitski et al., SIGMOD 2017, figure 2.
//!
//! # Mechanism
//!
//! The database's volume is a block server ([`VolumeNode`], `ebs-a1`) with a mirror in its zone (`ebs-a2`). In another
//! zone a standby instance ([`StandbyNode`]) takes staged writes and passes them to its own volume and mirror (`ebs-b1`,
//! `ebs-b2`). A write is sent to `ebs-a1`, which makes it durable and has its mirror do the same (steps 1 and 2);
//! when that is answered it is staged to the standby (step 3), which has it written to `ebs-b1` and `ebs-b2` (steps 4
//! and 5). Steps 1, 3 and 5 are sequential and synchronous: an effective 4 of 4 quorum.
//!
//! Each hop is a *session* ([`Caller`], [`Callee`]): calls are numbered, sent again until answered, carried out at most
//! once in a session, in any order. That is enough, because the engine never has two overlapping writes in flight. A
//! server that lost its memory knows no session; the client opens another and repeats what is unanswered. A new
//! session starts only when nothing of an older one is still running.
//!
//! # I/O classes
//!
//! A write keeps its class on the sends of the database node (to `ebs-a1` and to the standby) and on every disk. Sends
//! between servers are of class `Mirror`. Answers have the class of the call they answer.
//!
//! # Invariants
//!
//! - A volume answers a write when it is durable on its own disk *and* its mirror has answered.
//! - After a crash of the database node the four copies may differ in what was in flight. They are compared and made equal
//!   before the first operation of the next opening. Every acknowledged write is on all of them, so any copy may be
//!   taken for each region: `ebs-a1` is, unless it cannot read the region or the others agree against it, two at least, as
//!   they do when it rotted there. It is then mended from one of them, which both copies of its side [note](Noted) until it is
//!   done.
//! - A copy that was lost is not believed before it is filled again. A label goes to volumes whose last label is known, and
//!   to `ebs-a2` only when it holds what `ebs-a1` does; one that is older tells that it does not.
//! - A standby that was detached is never taken for complete: both sides keep a [`Label`] with an epoch that rises at
//!   every detachment and attachment ([`may_promote`]). A writer's side without any label is new or was lost, and waits for the
//!   standby's, which can tell.
//! - A volume serves no disk but its own: each carries its [`Identity`] from before its first file.
//! - A volume whose disk does not complete an operation halts and says so.
//!
//! # Caveats
//!
//! - A volume or mirror of the writer's zone that is down stalls writes, as 4 of 4 must; only the standby's zone can be
//!   detached.
//! - A resync compares checksums of every region of the volume; it does not remember what changed meanwhile.
//! - A volume that returns with an old image while the database node lives is compared only when that starts again.
//! - Volumes are files of a block server rather than one numbered block device.

mod callee;
mod caller;
mod identity;
mod label;
mod protocol;
mod standby_node;
mod start;
mod volume_node;

pub use callee::{Callee, Ticket};
pub use caller::{Caller, Heard};
pub use identity::{Identity, VolumeRecord};
pub use label::{Attachment, Label, Noted, may_promote};
pub use protocol::{Answer, Call, Copies};
pub use standby_node::StandbyNode;
pub use volume_node::{VolumeNode, VolumeNodeConfig};
