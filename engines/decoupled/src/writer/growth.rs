//! New protection groups.
//!
//! The volume grows by a register write: a group exists once a register that counts it is durable at four nodes, and no
//! record of it is given out before. Growth starts ahead of need, so that commits rarely wait for it.

use compute::{Context, PageId, Upcall};
use node::{IoClass, Nanos};

use super::group::Group;
use super::members::Part;
use super::{Stage, VolumeDriver, ask_period};
use crate::ids::pg_of;
use crate::message::ToStorage;
use crate::quorum::{MEMBERS, WRITE_QUORUM};
use crate::{MemberIndex, PgId, Register};
use compute::Lsn;

/// A register on its way.
#[derive(Clone, Debug, Default)]
pub(super) struct Growth {
    pending: Option<Register>,
    written: [bool; MEMBERS],
    asked_at: Nanos,
}

impl Growth {
    pub(super) fn is_pending(&self) -> bool {
        self.pending.is_some()
    }
}

impl VolumeDriver {
    pub(super) fn reserve_page(&mut self, cx: &mut Context<'_>, page: PageId) -> bool {
        let pg = pg_of(page, self.pages_per_pg());
        let wanted = pg.0 + 1 + self.config.groups_ahead;
        if let Some(register) = self.register.filter(|register| register.pg_count < wanted && !self.growth.is_pending())
        {
            let grown = Register { pg_count: wanted, geometry_epoch: register.geometry_epoch + 1, ..register };
            self.write_register(cx, grown);
        }
        (pg.0 as usize) < self.groups.len()
    }

    /// Starts writing `register` with the next version.
    pub(super) fn write_register(&mut self, cx: &mut Context<'_>, register: Register) {
        let version = self.register.map_or(1, |current| current.version + 1);
        let pending = Register { epoch: self.epoch, version, ..register };
        self.growth = Growth { pending: Some(pending), written: [false; MEMBERS], asked_at: Nanos::ZERO };
        self.ask_growth(cx);
        self.set_tick(cx);
    }

    pub(super) fn ask_growth(&mut self, cx: &mut Context<'_>) {
        let Some(register) = self.growth.pending else { return };
        if self.growth.asked_at > Nanos::ZERO && self.growth.asked_at + ask_period(&self.config) > cx.now {
            return;
        }
        self.growth.asked_at = cx.now;
        let message = ToStorage::WriteRegister { volume: self.config.volume, epoch: self.epoch, register };
        for member in MemberIndex::all().filter(|member| !self.growth.written[usize::from(member.0)]) {
            if self.members.get(member).part == Part::Holds {
                self.send(cx, member, &message, IoClass::Metadata);
            }
        }
    }

    pub(super) fn on_register_written(&mut self, cx: &mut Context<'_>, member: MemberIndex, version: u64) {
        let Some(register) = self.growth.pending.filter(|pending| pending.version == version) else { return };
        self.growth.written[usize::from(member.0)] = true;
        if self.growth.written.iter().filter(|&&written| written).count() < WRITE_QUORUM {
            return;
        }
        self.growth.pending = None;
        self.adopt_register(register);
        match &self.stage {
            Stage::Forming(plan) => {
                let plan = plan.clone();
                self.open(cx, plan);
            }
            _ => {
                let last = u64::from(register.pg_count) * register.geometry.pages_per_pg - 1;
                cx.up.push(Upcall::Reserved(PageId(last)));
            }
        }
    }

    /// Takes up a durable register; groups it counts for the first time are empty.
    pub(super) fn adopt_register(&mut self, register: Register) {
        self.register = Some(register);
        while self.groups.len() < register.pg_count as usize {
            self.groups.push(Group::new(PgId(self.groups.len() as u32), Lsn::ZERO));
        }
    }
}
