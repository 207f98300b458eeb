//! scp, as the limit that files are measured by: an `sshd` of our own on loopback, for this user only.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::sotto::Running;

/// Ends with this.
pub struct Scp {
    directory: PathBuf,
    user: String,
    port: u16,
    _server: Running,
}

impl Scp {
    /// `None` where there is no OpenSSH.
    pub fn start(directory: &Path) -> Outcome<Option<Scp>> {
        let Some(sshd) = SSHD.iter().map(Path::new).find(|path| path.is_file()) else { return Ok(None) };
        let directory = directory.join("ssh");
        fs::create_dir(&directory)?;
        for key in ["host", "user"] {
            let path = directory.join(key);
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(&path)
                .stdin(Stdio::null())
                .status();
            if !made.is_ok_and(|status| status.success()) {
                return Ok(None);
            }
        }
        // Free now; whoever takes it in between makes this fail with a clear error.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let configuration = directory.join("sshd_config");
        let at = directory.display();
        let text = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {at}/host\nAuthorizedKeysFile {at}/user.pub\n\
             PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n"
        );
        fs::write(&configuration, text)?;
        // Where Debian's server, started as root, expects it; for others it need not be there.
        let _ = fs::create_dir_all("/run/sshd");
        let log = directory.join("log");
        let server =
            Running::start(Command::new(sshd).arg("-D").arg("-e").arg("-f").arg(configuration), &log)?;
        let until = Instant::now() + START_MAX;
        while !fs::read_to_string(&log)?.contains("Server listening") {
            if server.is_done() || Instant::now() > until {
                return Err(format!("sshd does not listen: {}", fs::read_to_string(&log)?).into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        let user = Command::new("id").arg("-un").output()?.stdout;
        let user = String::from_utf8(user)?.trim().to_owned();
        Ok(Some(Scp { directory, user, port, _server: server }))
    }

    /// To the server.
    pub fn up(&self, from: &Path, to: &Path) -> Outcome<Running> {
        self.copy("up", &from.display().to_string(), &self.remote(to))
    }

    /// From the server.
    pub fn down(&self, from: &Path, to: &Path) -> Outcome<Running> {
        self.copy("down", &self.remote(from), &to.display().to_string())
    }

    fn remote(&self, path: &Path) -> String {
        format!("{}@127.0.0.1:{}", self.user, path.display())
    }

    fn copy(&self, name: &str, from: &str, to: &str) -> Outcome<Running> {
        let mut command = Command::new("scp");
        command.args(["-q", "-F", "none", "-P", &self.port.to_string(), "-i"]);
        command.arg(self.directory.join("user"));
        for option in ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"] {
            command.args(["-o", option]);
        }
        Running::start(command.args([from, to]), &self.directory.join(format!("{name}.log")))
    }
}

const SSHD: [&str; 2] = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"];
const START_MAX: Duration = Duration::from_secs(10);
