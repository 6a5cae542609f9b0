//! A disk without room: the run waits, says why, loses nothing, and goes on once there is room.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use commutator_tests::{Program, until};

use crate::fixture::{Place, Source, program};

const ITEMS: u32 = 1_000;
const LIMIT: Duration = Duration::from_mins(3);

/// A file system in memory with little room; it is unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it, if this machine lets us.
    fn mount(folder: &Path) -> Option<Self> {
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(folder).output();
        mount.is_ok_and(|mount| mount.status.success()).then(|| Self(folder.to_owned()))
    }

    /// Takes all room there is, but for some blocks.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("something-else");
        let mut file = File::create(&path).expect("a file on the disk");
        while file.write_all(&[0; 4096]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, should somebody still look at it.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[test]
fn a_full_disk_is_waited_for() {
    let place = Place::disk();
    let Place::Disk { folder } = &place else { return };
    let Some(disk) = SmallDisk::mount(folder.path()) else {
        #[expect(clippy::print_stderr, reason = "the convention by which xtask names what was skipped")]
        {
            eprintln!("skipped: a_full_disk_is_waited_for needs the right to mount");
        }
        return;
    };
    let Some(source) = Source::create("full_disk", "NEW_AND_OLD_IMAGES") else { return };
    source.fill(ITEMS);
    let program = program("full", &source.config(), &place);
    let other = disk.fill();
    let mut running = program.start(&["run"]);
    waits(&program, &source, 0);
    std::fs::remove_file(other).expect("it is there");
    until(LIMIT, || program.log().contains("snapshot complete"), || program.log());
    // Once more, in the middle of the stream's changes.
    let before = refusals(&program);
    let churn = source.churn(ITEMS);
    let other = disk.fill();
    waits(&program, &source, before);
    churn.kill();
    assert!(running.is_running(), "{}", program.log());
    std::fs::remove_file(other).expect("it is there");
    place.becomes_identical(&source, LIMIT);
    assert!(running.terminate(LIMIT).success(), "{}", program.log());
    program.succeed(&["run", "--until-caught-up"]);
    place.verify(&source);
    drop(disk);
}

fn waits(program: &Program, source: &Source, before: usize) {
    until(LIMIT, || refusals(program) > before, || program.log());
    let log = program.log();
    let refused = log.lines().filter(|line| line.contains("The disk is full; free some space"));
    assert!(refused.clone().all(|line| line.contains("trying again") && line.contains(&source.table)), "{log}");
}

fn refusals(program: &Program) -> usize {
    program.log().matches("The disk is full; free some space").count()
}

/// The same without the right to mount: a limit on the size of a file stands for the disk's end.
#[test]
fn a_file_that_may_not_grow_is_named() {
    let Some(source) = Source::create("file_limit", "NEW_AND_OLD_IMAGES") else { return };
    source.fill(ITEMS);
    let place = Place::disk();
    let program = program("limited", &source.config(), &place);
    let refused = program.run_limited(&["run", "--until-caught-up"], 32);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned() + &String::from_utf8_lossy(&refused.stdout);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("ulimit -f") && said.contains(&source.table), "{said}");
    source.load("churn", &["--items", "1000", "--seconds", "1"]);
    program.succeed(&["run", "--until-caught-up"]);
    place.verify(&source);
}
