//! I/O and CPU of a phase, by node and class.

use std::collections::BTreeMap;

use node::{Counts, IoClass, NodeId, Role};
use record::host::Activity;
use record::schema::Site;
use record::{Io, Metrics, Phase, Resource, RunWriter, SegmentId};

use super::{Drive, PhaseOutcome, PhasePlan, Utilisation, record_failure};
use crate::exit::Failure;
use crate::rig::{NodeCounts, NodeInfo, Rig, Usage};

/// CPU seconds by side of the comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuBySite {
    /// The database node, and a standby.
    pub database_s: f64,
    /// Storage nodes, volumes, mirrors.
    pub storage_s: f64,
    /// The load generator.
    pub load_s: f64,
}

/// Counts at the start of a phase, and at the end of its window.
pub(super) struct Counter {
    start: Usage,
    activity: Activity,
    utilisation: Utilisation,
    bottleneck: Option<&'static str>,
}

impl Counter {
    pub fn start(rig: &Rig) -> Result<Counter, Failure> {
        let activity = Activity::now(rig.data_dirs());
        Ok(Counter { start: rig.usage()?, activity, utilisation: Utilisation::default(), bottleneck: None })
    }

    /// Writes what every node has used so far.
    pub fn interval(&self, drive: &mut Drive<'_>) -> Result<(), Failure> {
        let usage = drive.rig.usage()?;
        let resources = resource_rows(&drive.rig.nodes, &usage);
        drive.writer.resources(drive.segment, usage.at.0, resources).map_err(record_failure)
    }

    /// The window is over and the settling begins: how busy everything was says what limited the window.
    pub fn window_ends(&mut self, rig: &Rig, plan: &PhasePlan, outcome: &PhaseOutcome) -> Result<(), Failure> {
        let busy = Activity::now(rig.data_dirs()).since(&self.activity);
        self.utilisation = match rig.host().real() {
            Some(_) => Utilisation::between(rig, &self.start, &rig.usage()?, &busy),
            // A simulated machine is not this one.
            None => Utilisation::default(),
        };
        self.bottleneck = self.utilisation.bottleneck(outcome, plan.arrivals.rate_per_s().is_some());
        Ok(())
    }

    /// Takes the counts at the end and writes the phase's rows and metrics.
    pub fn end(self, drive: &mut Drive<'_>, plan: &PhasePlan, outcome: &PhaseOutcome) -> Result<(), Failure> {
        let end = drive.rig.usage()?;
        let phase = plan.phase;
        let rows = io_rows(&drive.rig.nodes, &self.start, &end, phase);
        drive.writer.io(drive.segment, rows).map_err(record_failure)?;
        keep_resources(drive.writer, drive.segment, &drive.rig.nodes, &end)?;
        let cpu = cpu_by_site(&drive.rig.nodes, &self.start, &end);
        let metrics = drive.writer.metrics_mut(drive.segment, phase);
        let per_txn = |side: fn(&CpuBySite) -> f64| {
            cpu.as_ref().filter(|_| outcome.ok > 0).map(|cpu| side(cpu) / outcome.ok as f64)
        };
        metrics.aborts = Some(outcome.aborts);
        metrics.retries = Some(outcome.retries);
        metrics.cpu_database_s_per_txn = per_txn(|cpu| cpu.database_s);
        metrics.cpu_storage_s_per_txn = per_txn(|cpu| cpu.storage_s);
        metrics.cpu_load_s_per_txn = per_txn(|cpu| cpu.load_s);
        metrics.hit_ratio = outcome.gauges_settled.hit_ratio_since(&outcome.gauges_start);
        metrics.user_bytes_per_txn = (outcome.ok > 0).then(|| outcome.changed_bytes as f64 / outcome.ok as f64);
        metrics.bottleneck = self.bottleneck.map(str::to_owned);
        metrics.cpu_busy_ratio = self.utilisation.cpu_ratio;
        metrics.cpu_others_ratio = self.utilisation.others_ratio;
        metrics.thread_busy_ratio = self.utilisation.thread.map(|(ratio, _)| ratio);
        metrics.device_busy_ratio = self.utilisation.device_ratio;
        // What follows the class is about how far a resynchronisation is.
        let class = outcome.degraded.as_ref().map(|text| text.split(':').next().unwrap_or(text).to_owned());
        metrics.degraded_class = class;
        metrics.settle_s = plan.settle.then_some(outcome.settle_s);
        deferred(metrics, outcome);
        Ok(())
    }
}

/// Deferred work at the start, at the end of the window, and after settling.
fn deferred(metrics: &mut Metrics, outcome: &PhaseOutcome) {
    let PhaseOutcome { gauges_start: start, gauges_end: end, gauges_settled: settled, .. } = outcome;
    metrics.deferred_dirty_pages_start = start.dirty_pages;
    metrics.deferred_records_start = start.uncoalesced_records;
    metrics.deferred_log_bytes_start = start.log_bytes;
    metrics.deferred_dirty_pages_end = end.dirty_pages;
    metrics.deferred_records_end = end.uncoalesced_records;
    metrics.deferred_log_bytes_end = end.log_bytes;
    metrics.deferred_dirty_pages = settled.dirty_pages;
    metrics.deferred_records = settled.uncoalesced_records;
    metrics.deferred_log_bytes = settled.log_bytes;
}

/// Writes what each node had counted by then.
pub fn keep_resources(
    writer: &mut RunWriter,
    segment: SegmentId,
    nodes: &[NodeInfo],
    usage: &Usage,
) -> Result<(), Failure> {
    writer.resources(segment, usage.at.0, resource_rows(nodes, usage)).map_err(record_failure)
}

fn site(role: Role) -> Site {
    match role {
        Role::Load => Site::Load,
        Role::Compute | Role::Standby => Site::Database,
        Role::Storage | Role::Volume => Site::Storage,
    }
}

fn io_rows(nodes: &[NodeInfo], start: &Usage, end: &Usage, phase: Phase) -> Vec<Io> {
    let before: BTreeMap<NodeId, _> = start.nodes.iter().map(|usage| (usage.node, usage)).collect();
    let mut rows = Vec::new();
    for usage in &end.nodes {
        let Some(info) = nodes.iter().find(|info| info.id == usage.node) else { continue };
        for class in IoClass::ALL {
            let earlier = before.get(&usage.node).map(|usage| *usage.ledger.class(class)).unwrap_or_default();
            let counts = usage.ledger.class(class).since(&earlier);
            if counts == Counts::default() {
                continue;
            }
            rows.push(Io {
                phase,
                node: info.name.clone(),
                role: info.role.name().to_owned(),
                site: site(info.role),
                az: info.zone.name().to_owned(),
                class: class.name().to_owned(),
                reads: counts.reads,
                read_bytes: counts.read_bytes,
                writes: counts.writes,
                write_bytes: counts.write_bytes,
                syncs: counts.syncs,
                sends: counts.sends,
                send_bytes: counts.send_bytes,
            });
        }
    }
    rows
}

/// `None` where nothing measures CPU time.
fn cpu_by_site(nodes: &[NodeInfo], start: &Usage, end: &Usage) -> Option<CpuBySite> {
    let mut cpu = CpuBySite::default();
    for usage in &end.nodes {
        let Some(info) = nodes.iter().find(|info| info.id == usage.node) else { continue };
        let earlier = start.nodes.iter().find(|earlier| earlier.node == usage.node).and_then(|earlier| earlier.cpu);
        let spent_s = usage.cpu?.saturating_sub(earlier.unwrap_or_default()).as_secs_f64();
        match site(info.role) {
            Site::Database => cpu.database_s += spent_s,
            Site::Storage => cpu.storage_s += spent_s,
            Site::Load => cpu.load_s += spent_s,
        }
    }
    Some(cpu)
}

fn resource_rows(nodes: &[NodeInfo], usage: &Usage) -> Vec<Resource> {
    let of_node = |(info, usage): (&NodeInfo, &NodeCounts)| {
        let total = usage.ledger.by_class.iter().fold(Counts::default(), |sum, counts| sum.plus(counts));
        Resource {
            t_s: 0.0,
            node: info.name.clone(),
            role: info.role.name().to_owned(),
            cpu_s: usage.cpu.map(node::Nanos::as_secs_f64),
            rss_bytes: None,
            read_bytes: Some(total.read_bytes),
            write_bytes: Some(total.write_bytes),
            read_ios: Some(total.reads),
            write_ios: Some(total.writes),
            fsyncs: Some(total.syncs),
            net_tx_bytes: Some(total.send_bytes),
            net_rx_bytes: None,
            log_bytes: None,
            page_bytes: None,
            queue_depth: None,
        }
    };
    let known = usage.nodes.iter().filter_map(|usage| {
        let info = nodes.iter().find(|info| info.id == usage.node)?;
        Some(of_node((info, usage)))
    });
    known.chain(process_row(usage)).collect()
}

/// The whole process; nothing where no process carries the nodes.
fn process_row(usage: &Usage) -> Option<Resource> {
    let cpu = usage.process_cpu?;
    Some(Resource {
        t_s: 0.0,
        node: "process".to_owned(),
        role: "process".to_owned(),
        cpu_s: Some(cpu.as_secs_f64()),
        rss_bytes: record::host::rss_bytes(),
        read_bytes: None,
        write_bytes: None,
        read_ios: None,
        write_ios: None,
        fsyncs: None,
        net_tx_bytes: None,
        net_rx_bytes: None,
        log_bytes: None,
        page_bytes: None,
        queue_depth: None,
    })
}
