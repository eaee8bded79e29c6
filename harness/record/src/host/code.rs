//! Which source the binary was built from.

use std::process::{Command, Stdio};

use crate::info::Code;

impl Code {
    /// The build's own stamps, and what git says of the source tree, when it is still there.
    pub fn capture() -> Code {
        let git_sha = git(&["rev-parse", "HEAD"]).filter(|sha| !sha.is_empty());
        let git_dirty =
            git_sha.as_ref().and_then(|_| git(&["status", "--porcelain"])).map(|changes| !changes.is_empty());
        Code {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            git_sha,
            git_dirty,
            rustc: env!("RECORD_RUSTC").to_owned(),
            profile: env!("RECORD_PROFILE").to_owned(),
            target: env!("RECORD_TARGET").to_owned(),
        }
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(env!("CARGO_MANIFEST_DIR")).args(arguments).stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
}
