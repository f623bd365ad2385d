//! A small disk of its own for one ledger, that a test may fill. It is a file system in memory, which takes the rights to mount one.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{from_rig, unique};

/// Room for a migrated ledger and some jobs.
const SIZE: &str = "96m";

pub(crate) struct SmallDisk {
    folder: PathBuf,
    /// The database on it, to be dropped with it: else Postgres would look for its files.
    database: Option<String>,
}

impl SmallDisk {
    /// Mounts one that belongs to the user that Postgres runs as; `None` where this process may not mount.
    pub(crate) fn mount() -> Option<Self> {
        let folder = std::env::temp_dir().join(unique("igor-disk"));
        std::fs::create_dir(&folder).expect("a folder to mount on");
        // The rig runs Postgres as this user when it is root itself, and nobody else may mount.
        let options = format!("size={SIZE},uid=65534,gid=65534,mode=700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&folder).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { folder, database: None });
        }
        std::fs::remove_dir(&folder).ok();
        None
    }

    /// Moves a database, to which nobody is connected, onto it.
    pub(crate) fn take(&mut self, database: &str) {
        self.database = Some(database.to_owned());
        administer(&format!("CREATE TABLESPACE {database} LOCATION '{}'", self.folder.display()));
        administer(&format!("ALTER DATABASE {database} SET TABLESPACE {database}"));
    }

    /// Takes all room that is left.
    pub(crate) fn fill(&self) {
        let mut ballast = File::create(self.folder.join("ballast")).expect("a file");
        let block = vec![0; 64 * 1024];
        while ballast.write_all(&block).is_ok() {}
        while ballast.write_all(&[0]).is_ok() {}
    }

    /// Gives the room back.
    pub(crate) fn free(&self) {
        std::fs::remove_file(self.folder.join("ballast")).expect("the ballast is removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Some(database) = &self.database {
            administer(&format!("DROP DATABASE {database} WITH (FORCE)"));
            administer(&format!("DROP TABLESPACE {database}"));
        }
        Command::new("umount").arg("--lazy").arg(&self.folder).status().ok();
        std::fs::remove_dir(&self.folder).ok();
    }
}

/// A statement that must not be part of a transaction, without a runtime: it is also said when a test unwinds.
fn administer(statement: &str) {
    let program = PathBuf::from(from_rig("IGOR_TEST_POSTGRES_BIN")).join("psql");
    let said = Command::new(program).args(["-X", "-q", "-c", statement]).arg(from_rig("IGOR_TEST_DATABASE_URL")).output();
    let said = said.map_or_else(|error| error.to_string(), |output| String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(said.is_empty() || std::thread::panicking(), "{statement}: {said}");
}
