//! `sextant node`: storage nodes as a process of their own.

use super::args::NodeArgs;
use crate::chaos::live::storage_of;
use crate::engines::storage_nodes;
use crate::exit::{Exit, Failure};
use crate::processes::{ServePlan, serve};
use crate::profile::Profile;

pub(super) fn run(args: &NodeArgs) -> Result<Exit, Failure> {
    if let Some(parent) = args.parent {
        let lives = uring::process::end_with(parent);
        if !lives.map_err(|error| Failure::io(format!("watching the parent: {error}")))? {
            return Err(Failure::usage(format!("--parent {parent} did not start this process, or has ended")));
        }
    }
    let (volume, nodes) = match &args.script {
        None => storage_nodes(args.seed)?,
        Some(path) => {
            let (script, playing) = (super::chaos::read(path)?, super::chaos::telling(args.mutant.as_deref())?);
            storage_of(&script, playing.plants).map_err(Failure::usage)?
        }
    };
    let plan = ServePlan {
        volume,
        seed: args.seed,
        members: args.member.clone(),
        addresses: args.nodes.clone(),
        listen: args.listen,
        data_dir: args.data_dir.clone(),
        links: Profile::find(&args.profile)?.links(),
        backend: if args.thread_pool { uring::Backend::ThreadPool } else { uring::Backend::Auto },
        queue_depth: args.queue_depth,
    };
    serve(&plan, nodes)
}
