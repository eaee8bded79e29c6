//! A whole run through the writer, read back, checked and drawn.

mod sample;

use record::{Phase, Run, Status, Verdict};

#[test]
fn a_finished_run_is_complete_consistent_and_readable() {
    let parent = tempfile::tempdir().unwrap();
    let dir = sample::write(parent.path());
    let inconsistencies = record::check(&dir);
    assert!(inconsistencies.is_empty(), "{inconsistencies:#?}");

    let run = Run::open(&dir).unwrap();
    assert_eq!((run.info.status, run.info.verdict), (Status::Ok, Some(Verdict::Ok)));
    assert_eq!(run.engines(), ["coupled", "coupled-mirrored", "decoupled"]);
    assert!(run.summary.iter().any(|(_, row)| row.window.phase == Phase::Capacity));
    record::report::render(&dir).unwrap();
    println!("{}", record::table::render(&run.info, &run.summary, 120));
    if let Some(keep) = std::env::var_os("RECORD_SAMPLE_DIR") {
        let kept = std::path::Path::new(&keep);
        let _ = std::fs::remove_dir_all(kept);
        std::fs::rename(parent.keep(), kept).unwrap();
    }
}
