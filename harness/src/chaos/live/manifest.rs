//! What a process is told to be: the storage nodes of a script, with its sizes and its planted bug.

use std::path::Path;

use nemesis::{EngineClass, Script};
use node::{Member, Role};

use super::stage::told;
use crate::campaign::Plants;
use crate::chaos::mutants::Mutant;

/// The script, for the processes to read.
const SCRIPT: &str = "script.jsonl";

/// Writes the script into `directory`, and gives the arguments by which a process finds it, and its bug.
///
/// # Errors
///
/// A file that cannot be written, or a planted bug without a name.
pub(super) fn arguments(script: &Script, plants: Plants, directory: &Path) -> Result<Vec<String>, String> {
    let file = directory.join(SCRIPT);
    std::fs::write(&file, script.to_text()).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut arguments = vec!["--script".to_owned(), file.to_string_lossy().into_owned()];
    if let Some(slug) = slug_of(plants)? {
        arguments.extend(["--mutant".to_owned(), slug.to_owned()]);
    }
    Ok(arguments)
}

/// The name by which a process is told which bug it has.
fn slug_of(plants: Plants) -> Result<Option<&'static str>, String> {
    if plants == Plants::NONE {
        return Ok(None);
    }
    Mutant::with(plants).map(|mutant| Some(mutant.slug)).ok_or_else(|| "a planted bug without a name".to_owned())
}

/// The volume of a script, and its storage nodes, for a process that is to be some of them.
///
/// # Errors
///
/// The engine's nodes cannot be processes.
pub fn storage_of(script: &Script, plants: Plants) -> Result<(::decoupled::VolumeId, Vec<Member>), String> {
    if script.class() != EngineClass::Decoupled {
        return Err(format!("{} has no nodes that can be processes; decoupled has", script.class().name()));
    }
    let (_, topology) = super::engine_of(script, plants)?;
    let (volume, _) = crate::engines::storage_nodes(script.header.seed).map_err(told)?;
    Ok((volume, topology.members.into_iter().filter(|member| member.role == Role::Storage).collect()))
}
