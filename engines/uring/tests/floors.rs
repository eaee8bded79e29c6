//! The floors an engine is held against can be measured here, and leave nothing behind.

mod nodes;

use uring::floor::{Via, durable_write, quorum};

#[test]
fn floors_keep_every_sample_and_leave_nothing_behind() {
    let directory = nodes::data_dir();
    for via in [Via::SameThread, Via::OtherThread] {
        let floor = durable_write(directory.path(), 20, via).expect("measures");
        assert_eq!(floor.latency_ns.len(), 20);
        assert!(floor.quantile(0.5) <= floor.quantile(0.99));
    }
    for depth in [1, 4] {
        match quorum(directory.path(), depth, 20) {
            Ok(floor) => assert_eq!(floor.latency_ns.len(), 20),
            Err(error) => assert!(error.to_string().contains("io_uring"), "{error}"),
        }
    }
    assert_eq!(std::fs::read_dir(directory.path()).expect("there").count(), 0);
    assert!(durable_write(&directory.path().join("absent"), 1, Via::OtherThread).is_err());
}
