//! Into running dynos: programs, files and ports, by the official command line's own SSH.

use crate::command_line::CommandLine;
use rustix::process::{Pid, Signal, kill_process};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use testkit::{Ports, eventually, within};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;

/// What the app of the lane answers to a GET.
const ANSWER: &str = "Unsupported method ('GET')";

/// The command line's SOCKS proxy has one port on every machine, and other runs of this test may be on this one. A user's own
/// `NODE_OPTIONS` must hold anyway.
const ELSEWHERE: &str = "const { Server, Socket } = require('node:net');
const { listen } = Server.prototype;
const { connect } = Socket.prototype;
Server.prototype.listen = function (port, ...rest) { return listen.call(this, port === 1080 ? ELSEWHERE : port, ...rest); };
Socket.prototype.connect = function (...args) {
  const wanted = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (wanted && wanted.port === 1080) wanted.port = ELSEWHERE;
  return connect.apply(this, args);
};
";

/// The app of the folder, which has this file, is running.
pub(crate) async fn walk(heroku: &CommandLine<'_>, file: &str) {
    heroku.done(&["ps:exec", "--status"], &["web.1 up running"]).await;
    // The command line ends what it was told with ^D, and falls over when the program did not wait for it.
    heroku.done(&["ps:exec", "--", "cat", file, "-"], &["Connecting to web.1 on shop... up", "http.server.test"]).await;
    heroku.fed(&["ps:exec"], "echo said-$((6*7)); exit\n", &["said-42"]).await;
    // By the machine's own `ssh`. Its stdin is no terminal here, so it asks for none.
    heroku.done(&["ps:exec", "--ssh", "--", "cat", file], &["http.server.test"]).await;
    heroku.fed(&["ps:exec", "--ssh"], "echo said-$((6*7)); exit\n", &["said-42"]).await;
    heroku.done(&["ps:copy", file, "--output", "copied"], &["Copying", "to copied"]).await;
    let read = |name: &str| std::fs::read_to_string(heroku.folder.join(name)).unwrap_or_default();
    heroku.holds(read("copied") == read(file), "the copy is the file");
    let _there = std::fs::remove_file(heroku.folder.join("copied")).is_ok();
    let said = heroku.done(&["ps:exec", "--", "echo port=$PORT.; cat"], &["port="]).await;
    let port = said.split_once("port=").and_then(|(_, rest)| rest.split('.').next()?.parse().ok());
    ports(heroku, port.unwrap_or_default()).await;
}

async fn ports(heroku: &CommandLine<'_>, port: u16) {
    let ports = Ports::take();
    let (local, socks) = (ports.at(0).port(), ports.at(1).port());
    let hook = heroku.flow.dir().join("elsewhere.cjs");
    std::fs::write(&hook, ELSEWHERE.replace("ELSEWHERE", &socks.to_string())).unwrap();
    let begun = async |words: &[&str], says: &str| {
        let mut command = heroku.command(words);
        command.env("NODE_OPTIONS", format!("--require {}", hook.display()));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let reads = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains(says) {
                    return true;
                }
            }
            false
        };
        let said = within(says, reads).await;
        (child, lines, said)
    };
    let (child, _lines, said) = begun(&["ps:forward", &format!("{local}:{port}")], "to stop port forwarding").await;
    let answers = [get(reach(local).await).await, get(reach(local).await).await];
    let good = said && answers.iter().all(|answer| answer.contains(ANSWER));
    heroku.went("ps:forward", good, &answers.concat());
    end(child).await;
    let (child, _lines, said) = begun(&["ps:socks"], "SOCKSv5 proxy server started").await;
    let answer = get(through(reach(socks).await, port).await).await;
    heroku.went("ps:socks", said && answer.contains(ANSWER), &answer);
    end(child).await;
}

/// It says that it listens a moment before it does.
async fn reach(port: u16) -> TcpStream {
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    eventually("a listening port", async || TcpStream::connect(at).await.ok()).await
}

/// By SOCKS to a port of the dyno.
async fn through(mut stream: TcpStream, port: u16) -> TcpStream {
    let greet = async {
        let mut answer = [0; 10];
        stream.write_all(&[5, 1, 0]).await?;
        stream.read_exact(&mut answer[..2]).await?;
        stream.write_all(&[&[5, 1, 0, 1, 0, 0, 0, 0], &port.to_be_bytes()[..]].concat()).await?;
        stream.read_exact(&mut answer).await
    };
    // Without it there will be no answer either.
    let _greeted = within("a way by SOCKS", greet).await.is_ok();
    stream
}

async fn get(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let asked = async {
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
        stream.read_to_end(&mut answer).await
    };
    let _broken = within("an answer through the dyno's port", asked).await.is_err();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The first signal it takes for itself, and goes on; then it ends.
async fn end(mut child: Child) {
    let ended = async {
        let mut pace = tokio::time::interval(std::time::Duration::from_millis(200));
        loop {
            tokio::select! {
                ended = child.wait() => return ended.unwrap(),
                _ = pace.tick() => {}
            }
            if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
                // It may have ended just now.
                let _gone = kill_process(pid, Signal::TERM).is_err();
            }
        }
    };
    within("the end of a forwarding command", ended).await;
}
