//! The kernel's own counts at the devices below the data directories: an engine's accounting, seen from outside.

use std::path::PathBuf;

use record::host::{BlockDevice, DeviceCounts};
use serde_json::{Value, json};

/// The devices of an engine, each with its counts before the engine started.
#[derive(Debug, Default)]
pub struct Devices {
    start: Vec<(BlockDevice, DeviceCounts)>,
}

impl Devices {
    /// Those below `data_dirs`, each once.
    pub fn below(data_dirs: &[PathBuf]) -> Devices {
        let mut devices: Vec<BlockDevice> = data_dirs.iter().filter_map(|dir| BlockDevice::below(dir)).collect();
        devices.sort_by(|a, b| a.name.cmp(&b.name));
        devices.dedup();
        let start = devices.into_iter().filter_map(|device| device.counts().map(|counts| (device, counts)));
        Devices { start: start.collect() }
    }

    /// What each has counted since, as details of an event.
    pub fn since_start(&self) -> Vec<Value> {
        let now = self.start.iter().filter_map(|(device, start)| {
            let counts = device.counts()?.since(start);
            Some(json!({ "device": device.name, "counts": counts }))
        });
        now.collect()
    }
}
