//! A PostgreSQL server of our own.

use std::{
    io::Write,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// What is said where there is none.
pub(crate) const MISSING: &str = "PostgreSQL is not installed (apt-get install postgresql).";

/// Runs a server until its standard input ends, so that none outlives the tests, however they end.
const SUPERVISE: &str = r#""$0" "$@" & server=$!; read -r _; kill -INT "$server"; wait "$server""#;

/// The server that most tests share, each with a database of its own.
static SHARED: Mutex<Option<Server>> = Mutex::new(None);

static DATABASES: AtomicU32 = AtomicU32::new(0);

/// A server in a directory of its own, reached over a socket in it.
pub(crate) struct Server {
    directory: tempfile::TempDir,
    user: Option<(u32, u32)>,
    process: Option<Child>,
}

/// Where the binaries of the newest version are.
pub(crate) fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let binaries = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    binaries.filter(|binaries| binaries.join("initdb").exists() && binaries.join("postgres").exists()).max()
}

/// Makes a database on the shared server, and tells its address.
pub(crate) async fn database() -> String {
    let directory = {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.get_or_insert_with(Server::start).directory().to_owned()
    };
    make_database(&directory).await
}

/// Stops the shared server, if a test has started it.
pub(crate) fn stop_shared() {
    drop(SHARED.lock().unwrap_or_else(PoisonError::into_inner).take());
}

async fn make_database(directory: &Path) -> String {
    let name = format!("links{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let mut connection = PgConnection::connect(&address(directory, "postgres")).await.expect("the server answers");
    connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.expect("a new database");
    connection.close().await.expect("goodbye");
    address(directory, &name)
}

fn address(directory: &Path, database: &str) -> String {
    let socket = directory.to_str().expect("a plain path").replace('/', "%2F");
    format!("postgres://postgres@{socket}/{database}")
}

impl Server {
    /// Makes a server and starts it.
    pub(crate) fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("links-").tempdir_in("/tmp").expect("a directory");
        let user = (directory.path().metadata().expect("it is there").uid() == 0).then(postgres_user);
        if let Some((user, group)) = user {
            chown(directory.path(), Some(user), Some(group)).expect("root may");
        }
        let mut server = Self { directory, user, process: None };
        let data = server.data();
        let made = server
            .command("initdb")
            .args(["-N", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-D"])
            .arg(data)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server.go_on();
        server
    }

    /// Starts the server again after [`stop`](Self::stop).
    pub(crate) fn go_on(&mut self) {
        let mut command = self.with_user(Command::new("sh"));
        command.args(["-c", SUPERVISE]).arg(binaries().expect(MISSING).join("postgres"));
        command.arg("-D").arg(self.data()).arg("-k").arg(self.directory());
        let settings = ["listen_addresses=", "max_connections=300", &format!("fsync={}", fsync())];
        command.args(settings.iter().flat_map(|setting| ["-c", setting]));
        let log = std::fs::File::create(self.directory().join("log")).expect("a log");
        let process = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn().expect("sh runs");
        self.process = Some(process);
        let begun = Instant::now();
        while !self.command("pg_isready").arg("-h").arg(self.directory()).output().expect("it runs").status.success() {
            let log = || std::fs::read_to_string(self.directory().join("log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(30), "the server does not start: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops the server; its connections end.
    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.stdin.take().map(|mut input| input.write_all(b"\n")));
            process.wait().expect("sh ends");
        }
    }

    /// Makes a database, and tells its address.
    pub(crate) async fn database(&self) -> String {
        make_database(self.directory()).await
    }

    /// Where its socket is.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory().join(".s.PGSQL.5432")
    }

    fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn data(&self) -> PathBuf {
        self.directory().join("data")
    }

    fn command(&self, binary: &str) -> Command {
        self.with_user(Command::new(binaries().expect(MISSING).join(binary)))
    }

    fn with_user(&self, mut command: Command) -> Command {
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command.current_dir(self.directory());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Off, for speed, but where it is measured.
fn fsync() -> &'static str {
    if std::env::args().any(|argument| argument.contains("figures")) { "on" } else { "off" }
}

/// The user and group as whom the server runs when we are root: it refuses to be.
fn postgres_user() -> (u32, u32) {
    let number = |flag| {
        let output = Command::new("id").args([flag, "postgres"]).output().expect("id runs");
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("the package makes a user")
    };
    (number("-u"), number("-g"))
}
