use super::*;

#[test]
fn a_directory_without_its_files_is_reported_file_by_file() {
    let dir = tempfile::tempdir().unwrap();
    let found = check(dir.path());
    assert_eq!(found.len(), FILES.len());
    assert_eq!(found[0].to_string(), "run.json: it is missing");
}
