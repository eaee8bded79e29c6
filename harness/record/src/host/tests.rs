use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::activity::io_ticks_ms;
use super::block_device::DeviceCounts;
use super::disk::{DataDir, mount_of};
use super::family::{Times, jiffies_of};
use super::*;

const MOUNTINFO: &str = "\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,discard
31 22 0:27 / /tmp rw,nosuid - tmpfs tmpfs rw,size=4g
40 22 254:16 / /mnt/fast\\040disk rw,noatime - xfs /dev/vdb rw,attr2
";

#[test]
fn the_longest_mount_point_above_a_directory_holds_it() {
    let mount = |path: &str| mount_of(MOUNTINFO, Path::new(path)).unwrap();
    assert_eq!(mount("/home/me/data").filesystem, "ext4");
    assert_eq!(mount("/tmp/data").filesystem, "tmpfs");
    assert_eq!(mount("/tmpfiles").filesystem, "ext4");
    let fast = mount("/mnt/fast disk/data");
    assert_eq!((fast.source.as_str(), fast.device_number.as_str()), ("/dev/vdb", "254:16"));
    assert_eq!(fast.options, "rw,noatime,rw,attr2");
}

#[test]
fn memory_is_not_a_disk() {
    let on = |filesystem: &str, device: Option<&str>| DataDir {
        filesystem: filesystem.into(),
        device: device.map(str::to_owned),
        ..DataDir::default()
    };
    assert!(on("tmpfs", None).is_ram());
    assert!(on("ext4", Some("zram0")).is_ram());
    assert!(!on("ext4", Some("vda")).is_ram());
}

#[test]
fn steal_is_the_share_of_all_cpu_time_between_two_looks() {
    let at = |stat: &str| CpuTimes::parse(stat).unwrap();
    let before = at("cpu  100 0 50 800 10 0 0 40 7 0\ncpu0 1 1 1 1 1 1 1 1");
    let after = at("cpu  150 0 70 1000 10 0 0 70 9 0\n");
    assert_eq!(after.steal_ratio_since(before), Some(0.1));
    assert_eq!(before.steal_ratio_since(before), None);
    assert_eq!(after.busy_ratio_since(before), Some(1.0 - 200.0 / 300.0), "disk waits are idle, stolen time is not");
}

#[test]
fn what_other_programs_had_is_what_is_left_without_ones_own() {
    let at = |stat: &str| CpuTimes::parse(stat).unwrap();
    let before = at("cpu  100 0 50 800 10 30 40 40 7 0");
    let after = at("cpu  150 10 70 980 10 50 60 40 9 0");
    assert_eq!(after.others_ratio_since(before, 50), Some(0.1), "80 jiffies of programs, 50 of them one's own, of 300");
    assert_eq!(after.others_ratio_since(before, 100), Some(0.0), "clocks of the two counts differ a little");
}

#[test]
fn a_process_is_read_whatever_its_name_is() {
    let stat = "4711 (a) b (c) S 17 4711 17 0 -1 4194560 900 800 0 0 21 4 300 7 20 0 9 0 3 4 5";
    assert_eq!(Times::parse(stat), Some(Times { parent: 17, jiffies: 25, ended_children: 307 }));
    assert_eq!(Times::parse("4711 (short) S 17"), None);
}

/// A shell that only waits, and its child that has worked and lives.
#[test]
fn children_count_as_ones_own() {
    let works = "i=0; while [ $i -lt 500000 ]; do i=$((i+1)); done; echo done; read line";
    let script = format!("sh -c '{works}; :'; :");
    let mut shell =
        Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = [0; 4];
    shell.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    let own = fs::read_to_string(format!("/proc/{}/stat", shell.id())).unwrap();
    let (own, family) = (Times::parse(&own).unwrap(), jiffies_of(shell.id()).unwrap());
    drop(shell.stdin.take());
    shell.wait().unwrap();
    assert!(family > own.jiffies + own.ended_children, "{family} jiffies, {own:?} without the child");
}

#[test]
fn a_device_is_busy_while_it_has_requests() {
    let stat =
        "   48263     2053  6318562    21041   240129    36403 15187832   242021        0   118368   263062 0 0 0 0";
    assert_eq!(io_ticks_ms(stat), Some(118_368));
    assert_eq!(io_ticks_ms("1 2 3"), None);
    let busy = Activity::now(&["."]).since(&Activity::now(&["."]));
    assert!(busy.device.is_none_or(|(_, ratio)| (0.0..=1.0).contains(&ratio)));
}

#[test]
fn this_machine_says_something_of_itself() {
    let host = Host::capture(Some(Path::new("does/not/exist/yet")));
    assert!(host.cores.is_some_and(|cores| cores > 0));
    if cfg!(target_os = "linux") {
        assert!(host.kernel.is_some());
        assert!(host.data_dir.is_some_and(|dir| !dir.filesystem.is_empty()));
    }
}

#[test]
fn a_device_s_counts_are_read_by_place() {
    let stat = "59 1 2170 5 34 266 67904 14 0 8 23 6 0 96 2 4 3";
    let counts = DeviceCounts::parse(stat).expect("a line of a recent kernel");
    let expected = DeviceCounts {
        reads: 59,
        read_bytes: 2170 * 512,
        writes: 34,
        merged_writes: 266,
        write_bytes: 67904 * 512,
        flushes: 4,
    };
    assert_eq!(counts, expected);
    assert_eq!(counts.since(&DeviceCounts { writes: 30, flushes: 4, ..counts }).writes, 4);
    assert_eq!(DeviceCounts::parse("59 1 2170 5 34 266 67904 14 0 8 23"), None, "an old kernel counts no flushes");
}
