//! Whether this writer may still answer reads.

use compute::{Context, Fence, FenceTicket, Upcall};
use node::{IoClass, Nanos};

use super::config::ReadFence;
use super::members::Part;
use super::{VolumeDriver, ask_period};
use crate::MemberIndex;
use crate::message::ToStorage;
use crate::planted::Bug;
use crate::quorum::{MEMBERS, NACK_QUORUM};

/// Fences that wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Fences {
    given: u64,
    passed: u64,
    /// The tickets that the confirmation under way covers, and who confirmed.
    round: Option<(u64, [bool; MEMBERS])>,
    asked_at: Nanos,
}

impl Fences {
    pub(super) fn is_pending(&self) -> bool {
        self.given > self.passed
    }
}

impl VolumeDriver {
    pub(super) fn ask_fence(&mut self, cx: &mut Context<'_>) -> Fence {
        match self.config.read_fence {
            ReadFence::Published => return Fence::Passed,
            _ if self.config.planted.is(Bug::ZombieReads) => return Fence::Passed,
            ReadFence::Lease if self.lease.holds(cx.now) => return Fence::Passed,
            ReadFence::Lease | ReadFence::Confirm => {}
        }
        let first = !self.fences.is_pending();
        self.fences.given += 1;
        let ticket = FenceTicket(self.fences.given);
        if first {
            match self.config.read_fence {
                ReadFence::Lease => self.heartbeat(cx),
                _ => self.start_confirmation(cx),
            }
            self.set_tick(cx);
        }
        Fence::Wait(ticket)
    }

    /// The lease may hold again: it holds now, which is after every waiting transaction's serialization point.
    pub(super) fn on_lease(&mut self, cx: &mut Context<'_>) {
        if self.config.read_fence == ReadFence::Lease && self.fences.is_pending() && self.lease.holds(cx.now) {
            self.pass(cx, self.fences.given);
        }
    }

    fn pass(&mut self, cx: &mut Context<'_>, upto: u64) {
        self.fences.passed = upto;
        cx.up.push(Upcall::FencePassed(FenceTicket(upto)));
    }

    /// One confirmation covers every ticket given before it was sent.
    fn start_confirmation(&mut self, cx: &mut Context<'_>) {
        self.fences.round = Some((self.fences.given, [false; MEMBERS]));
        self.fences.asked_at = Nanos::ZERO;
        self.ask_confirmation(cx);
    }

    pub(super) fn ask_confirmation(&mut self, cx: &mut Context<'_>) {
        let Some((ticket, confirmed)) = self.fences.round else { return };
        if self.fences.asked_at > Nanos::ZERO && self.fences.asked_at + ask_period(&self.config) > cx.now {
            return;
        }
        self.fences.asked_at = cx.now;
        let message = ToStorage::Confirm { volume: self.config.volume, epoch: self.epoch, ticket };
        for member in MemberIndex::all().filter(|member| !confirmed[usize::from(member.0)]) {
            if self.members.get(member).part == Part::Holds {
                self.send(cx, member, &message, IoClass::Control);
            }
        }
    }

    pub(super) fn on_confirmed(&mut self, cx: &mut Context<'_>, member: MemberIndex, ticket: u64) {
        let Some((asked, confirmed)) = self.fences.round.as_mut().filter(|round| round.0 == ticket) else { return };
        confirmed[usize::from(member.0)] = true;
        // Three who hold this epoch now leave no four for another writer to open with.
        if confirmed.iter().filter(|&&yes| yes).count() < NACK_QUORUM {
            return;
        }
        let upto = *asked;
        self.fences.round = None;
        self.pass(cx, upto);
        if self.fences.is_pending() {
            self.start_confirmation(cx);
        }
    }
}
