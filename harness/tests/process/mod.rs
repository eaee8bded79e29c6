//! The binary as a process: started with arguments, watched, killed.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use tempfile::TempDir;

/// The durable engines.
pub const DURABLE: [&str; 3] = ["coupled", "coupled-mirrored", "decoupled"];
/// Something that does not come in this time never comes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A working directory on a real file system, as the repository's own.
pub fn workplace() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory")
}

/// `sextant` with arguments, in `place`.
pub fn sextant(place: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sextant"));
    command.args(arguments).current_dir(place).stdin(Stdio::null());
    command
}

/// Runs it to its end. Whatever the outcome, it must not panic.
pub fn run(place: &Path, arguments: &[&str]) -> Output {
    let output = sextant(place, arguments).output().expect("the binary starts");
    let said = stderr(&output);
    assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    output
}

/// Runs it and expects a code, and that standard error speaks of `about`.
pub fn expect(place: &Path, arguments: &[&str], code: i32, about: &[&str]) -> Output {
    let output = run(place, arguments);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    for word in about {
        assert!(said.contains(word), "{arguments:?} says nothing of `{word}`: {said}");
    }
    output
}

/// What it said on standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A small bench: `engine` over `data`, for `duration`.
pub fn bench<'a>(engine: &'a str, data: &'a str, duration: &'a str) -> Vec<&'a str> {
    let mut arguments =
        vec!["bench", "--engine", engine, "--data-dir", data, "--duration", duration, "--warmup", "50ms"];
    arguments.extend(["--tables", "2", "--rows", "300", "--sessions", "8", "--out", "runs"]);
    arguments
}

/// The run directories under `place`.
pub fn runs(place: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place.join("runs")).into_iter().flatten();
    entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.join("run.json").exists()).collect()
}

/// The only run directory under `place`.
pub fn only_run(place: &Path) -> PathBuf {
    let mut runs = runs(place);
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs.remove(0)
}

/// The processes of storage nodes that work under `place`, by the system's number.
pub fn nodes_below(place: &Path) -> Vec<u32> {
    let place = place.to_str().expect("a name");
    let is_node = |pid: &u32| {
        let said = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let at = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        let told = said.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect::<Vec<_>>();
        let is_here = at.starts_with(place) || told.iter().any(|word| word.starts_with(place));
        is_here && told.get(1).is_some_and(|command| command == "node")
    };
    let entries =
        std::fs::read_dir("/proc").expect("proc").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    entries.filter(is_node).collect()
}

/// A process at work. It does not outlive the test.
pub struct Running {
    child: Child,
    said: Receiver<String>,
}

impl Running {
    pub fn start(place: &Path, arguments: &[&str]) -> Running {
        let mut child =
            sextant(place, arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let pipe = BufReader::new(child.stderr.take().expect("piped"));
        let (sender, said) = channel();
        std::thread::spawn(move || pipe.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Running { child, said }
    }

    /// The same, and what it says on standard output is heard as well.
    pub fn start_aloud(place: &Path, arguments: &[&str]) -> Running {
        let mut child =
            sextant(place, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let (sender, said) = channel();
        let pipes: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("piped")), Box::new(child.stderr.take().expect("piped"))];
        for pipe in pipes {
            let sender = sender.clone();
            std::thread::spawn(move || {
                BufReader::new(pipe).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
            });
        }
        Running { child, said }
    }

    /// Waits until it has said `words` on standard error.
    pub fn hear(&mut self, words: &str) {
        let mut heard = String::new();
        while !heard.contains(words) {
            match self.said.recv_timeout(PATIENCE) {
                Ok(line) => heard.push_str(&line),
                Err(error) => panic!("it never said `{words}` ({error}), but: {heard}"),
            }
        }
    }

    /// Waits for `condition`, looking every millisecond; gives up when the process ends.
    pub fn wait_until(&mut self, mut condition: impl FnMut() -> bool) -> bool {
        while !condition() {
            if let Err(RecvTimeoutError::Disconnected) = self.said.recv_timeout(Duration::from_millis(1)) {
                return false;
            }
        }
        true
    }

    /// Sends a signal by name, as a shell does.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status();
        assert!(sent.expect("a shell").success());
    }

    /// Ends it at once. Gives what it had said and nobody had heard.
    pub fn kill(mut self) -> String {
        self.child.kill().expect("it was running or had just ended");
        self.child.wait().expect("it ends");
        self.said.iter().collect::<Vec<_>>().join("\n")
    }

    /// Its exit code, and what it said last.
    pub fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("it ends");
        (status.code(), self.said.iter().collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
