//! What an attendant tells the overseer, and how it is asked.

use bytes::BufMut;
use node::{Counts, Frame, FrameKind, Ledger};
use serde::{Deserialize, Serialize};

use super::Serving;

/// The overseer to an attendant: the number of a round of questions, `u64`.
pub const ASK: FrameKind = FrameKind(0x0401);
/// An attendant to the overseer: a [`NodeReport`] as JSON.
pub const REPORT: FrameKind = FrameKind(0x0402);

/// One storage node at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    /// The round that asked for it.
    pub round: u64,
    /// The storage node's id.
    pub node: u32,
    /// The process, by the system's number: counts start over with another.
    pub process: u32,
    /// CPU time of the process since its start, shared equally by its nodes.
    pub cpu_ns: u64,
    /// The ledger's counts by class, each in the order of [`Counts`]' fields.
    pub counts: Vec<[u64; 7]>,
    /// The ledger's units of work.
    pub work: Vec<u64>,
    /// Frames dropped at the node because their bytes were damaged.
    pub frames_refused: u64,
    /// Disk operations refused.
    pub disk_refused: u64,
    /// Why it stopped, if it did.
    pub halted: Option<String>,
    /// What it holds, when it serves.
    pub serving: Option<Serving>,
    /// What the process refused at its door, by reason; only what it refused at all.
    pub refused: Vec<(String, u64)>,
}

impl NodeReport {
    /// The frame that says so.
    pub fn frame(&self) -> Frame {
        let body = serde_json::to_vec(self).expect("a report is plain data");
        Frame::encode(REPORT, body.len(), |out| out.put_slice(&body))
    }

    /// Reads one. `None` when the frame is none.
    pub fn read(frame: &Frame) -> Option<NodeReport> {
        if frame.kind() != REPORT { None } else { serde_json::from_slice(frame.body()).ok() }
    }

    /// Takes over a ledger's counts.
    pub fn set_ledger(&mut self, ledger: &Ledger) {
        let row = |c: &Counts| [c.reads, c.read_bytes, c.writes, c.write_bytes, c.syncs, c.sends, c.send_bytes];
        self.counts = ledger.by_class.iter().map(row).collect();
        self.work = ledger.work.to_vec();
        self.frames_refused = ledger.frames_refused;
        self.disk_refused = ledger.disk_refused;
    }

    /// The ledger. What a report of another build lacks is zero.
    pub fn ledger(&self) -> Ledger {
        let mut ledger =
            Ledger { frames_refused: self.frames_refused, disk_refused: self.disk_refused, ..Ledger::default() };
        for (counts, row) in ledger.by_class.iter_mut().zip(&self.counts) {
            let [reads, read_bytes, writes, write_bytes, syncs, sends, send_bytes] = *row;
            *counts = Counts { reads, read_bytes, writes, write_bytes, syncs, sends, send_bytes };
        }
        ledger.work.iter_mut().zip(&self.work).for_each(|(units, counted)| *units = *counted);
        ledger
    }
}

/// The question of a round.
pub fn ask_frame(round: u64) -> Frame {
    Frame::encode(ASK, 8, |body| body.put_u64_le(round))
}

/// The round that a frame asks for. `None` when it is no question.
pub fn asked_round(frame: &Frame) -> Option<u64> {
    let body: [u8; 8] = frame.body().try_into().ok()?;
    (frame.kind() == ASK).then(|| u64::from_le_bytes(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_survives_the_wire_with_every_count() {
        let mut ledger = Ledger { frames_refused: 3, disk_refused: 4, ..Ledger::default() };
        for (index, counts) in ledger.by_class.iter_mut().enumerate() {
            let n = index as u64 * 10;
            *counts = Counts {
                reads: n,
                read_bytes: n + 1,
                writes: n + 2,
                write_bytes: n + 3,
                syncs: n + 4,
                sends: n + 5,
                send_bytes: n + 6,
            };
        }
        ledger.work.iter_mut().enumerate().for_each(|(index, units)| *units = index as u64);
        let mut report = NodeReport { round: 7, node: 2, process: 99, ..NodeReport::default() };
        report.set_ledger(&ledger);
        let read = NodeReport::read(&report.frame()).expect("a report");
        assert_eq!(read, report);
        assert_eq!(read.ledger(), ledger);
    }

    #[test]
    fn a_question_is_no_report_and_a_report_no_question() {
        assert_eq!(asked_round(&ask_frame(12)), Some(12));
        assert_eq!(asked_round(&NodeReport::default().frame()), None);
        assert_eq!(NodeReport::read(&ask_frame(12)), None);
    }
}
