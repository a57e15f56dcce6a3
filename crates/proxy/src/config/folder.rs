//! The files that a configuration is made of: read, and remembered as they were.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The most bytes of a file that a configuration names: a key, or the certificates of all authorities there are.
const MOST_NAMED: u64 = 1 << 20;

/// The most bytes of a configuration itself, which may hold the links of many users.
const MOST_OWN: u64 = 64 << 20;

/// Where the relative paths of a configuration start.
#[derive(Debug, Default)]
pub(super) struct Folder {
    path: PathBuf,
    read: RefCell<Files>,
}

impl Folder {
    /// The folder of a configuration file; without one, that in which the process runs.
    pub(super) fn of(file: Option<&Path>) -> Self {
        let path = file.and_then(Path::parent).map(Path::to_owned).unwrap_or_default();
        Self { path, read: RefCell::default() }
    }

    /// What is in a file that the configuration names.
    ///
    /// # Errors
    ///
    /// The file cannot be read; the message names it.
    pub(super) fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        let path = self.path.join(path);
        self.remember(&path);
        // A device or a pipe may have no end, or never begin.
        let read = match std::fs::metadata(&path) {
            Ok(file) if !file.is_file() => Err(io::Error::other("it is no regular file")),
            _ => read_up_to(MOST_NAMED, &path),
        };
        read.map_err(|error| format!("{} cannot be read: {error}", path.display()))
    }

    /// What is in the configuration file itself, whose path does not start here.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub(super) fn read_own(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.remember(path);
        read_up_to(MOST_OWN, path)
    }

    /// Before a file is read, so that no change after it goes unnoticed; of two times the first counts.
    fn remember(&self, path: &Path) {
        self.read.borrow_mut().0.entry(path.to_owned()).or_insert_with(|| Stamp::of(path));
    }

    /// How a file is called in messages.
    pub(super) fn name(&self, path: &Path) -> String {
        self.path.join(path).display().to_string()
    }

    /// All that was read, or could not be.
    pub(super) fn into_files(self) -> Files {
        self.read.into_inner()
    }
}

fn read_up_to(most: u64, path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(io::Error::other(format!("it is larger than {} MiB", most >> 20)));
    }
    Ok(content)
}

/// The files that a configuration was read from, as they were then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<PathBuf, Option<Stamp>>);

impl Files {
    /// The same files as they are now.
    #[must_use]
    pub fn now(&self) -> Self {
        Self(self.0.keys().map(|path| (path.clone(), Stamp::of(path))).collect())
    }
}

/// What tells a file from another one in its place, and from itself with something else in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// When its content, its name or its rights changed, in seconds and nanoseconds; nobody can set that.
    changed: (i64, i64),
}

impl Stamp {
    /// Of the file that a path leads to, over however many symbolic links; `None` where it leads nowhere.
    fn of(path: &Path) -> Option<Self> {
        let of = |file: Metadata| Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            changed: (file.ctime(), file.ctime_nsec()),
        };
        std::fs::metadata(path).ok().map(of)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    /// What was read of a file, and the folder that it was read in.
    fn read(folder: &Path, name: &str) -> Files {
        let folder = Folder::of(Some(&folder.join("gateway.toml")));
        let _ = folder.read(Path::new(name));
        folder.into_files()
    }

    #[track_caller]
    fn is_not_read(path: &Path, why: &str) {
        let error = Folder::default().read(path).unwrap_err();
        assert_eq!(error, format!("{} cannot be read: {why}", path.display()));
    }

    #[test]
    fn what_has_no_end_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let huge = folder.path().join("huge");
        File::create(&huge).unwrap().set_len(MOST_NAMED).unwrap();
        assert_eq!(Folder::default().read(&huge).unwrap().len() as u64, MOST_NAMED);
        File::create(&huge).unwrap().set_len(MOST_NAMED + 1).unwrap();
        is_not_read(&huge, "it is larger than 1 MiB");
        for other in [Path::new("/dev/zero"), folder.path()] {
            is_not_read(other, "it is no regular file");
        }
        let error = Folder::default().read_own(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(error.to_string(), "it is larger than 64 MiB");
    }

    #[test]
    fn a_file_that_is_written_replaced_or_gone_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let changes: [fn(&Path); 3] = [
            |file| fs::write(file, "two").unwrap(),
            |file| fs::rename(file.with_extension("new"), file).unwrap(),
            |file| fs::remove_file(file).unwrap(),
        ];
        for change in changes {
            fs::write(at("key"), "one").unwrap();
            fs::write(at("key.new"), "one").unwrap();
            let before = read(folder.path(), "key");
            // The clock of a file system is a coarse one.
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert_eq!(before, before.now());
            change(&at("key"));
            assert_ne!(before, before.now());
        }
        let before = read(folder.path(), "key");
        fs::write(at("key"), "three").unwrap();
        assert_ne!(before, before.now(), "one that comes, too");
    }

    /// As Kubernetes changes the files of a volume: all at once, by another link to another folder.
    #[test]
    fn a_link_that_leads_elsewhere_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for version in ["..1", "..2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("key"), "same").unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/key", at("key")).unwrap();
        let before = read(folder.path(), "key");
        assert_eq!(before, before.now());
        symlink("..2", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert_ne!(before, before.now());
    }
}
