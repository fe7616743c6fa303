//! Dynos and another machine: one that is at the other end of a cable.

use crate::network::{PYTHON, lines, python, walled};
use crate::support::{Run, line};
use std::io::Read;
use std::process::Command;

/// Another machine, as far as this one can tell: a network namespace at the other end of a cable. It goes when dropped.
struct Outside(String);

impl Outside {
    /// None: this machine has no `ip`, or no cables.
    fn new() -> Option<Self> {
        let outside = Self(format!("fl{}", std::process::id()));
        let Self(name) = &outside;
        let cable = [
            format!("netns add {name}"),
            format!("link add {name} type veth peer name far netns {name}"),
            format!("-n {name} addr add {} dev far", outside.net("2/30")),
            format!("-n {name} link set far up"),
            format!("link set {name} up"),
        ];
        cable.iter().all(|words| ip(words)).then_some(outside)
    }

    /// Gives this machine its address at the cable.
    fn plug_in(&self) {
        assert!(ip(&format!("addr add {} dev {}", self.net("1/30"), self.0)));
    }

    fn net(&self, host: &str) -> String {
        format!("10.211.{}.{host}", std::process::id() % 250)
    }

    /// A program out there.
    fn python(&self, script: &str) -> std::process::Child {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, "python3", "-u", "-c", &format!("{PYTHON}{script}")]);
        command.stdout(std::process::Stdio::piped()).spawn().unwrap()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        ip(&format!("link del {}", self.0));
        ip(&format!("netns del {}", self.0));
    }
}

fn ip(words: &str) -> bool {
    let mut command = Command::new("ip");
    command.args(words.split_whitespace()).stderr(std::process::Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[tokio::test]
async fn dyno_27_the_world_outside_is_open_and_new_addresses_of_the_host_are_not() {
    let Some(machine) = walled().await else { return };
    let Some(outside) = Outside::new() else {
        println!("not tested: no cable to another network namespace can be made here");
        return;
    };
    let (here, there) = (outside.net("1"), outside.net("2"));
    let script = format!(
        "
import time
# Before it is this machine's it would be somebody else's.
while '|-- {here}\\n' not in open('/proc/net/fib_trie').read():
    time.sleep(0.01)
while (answer := tcp('{here}', 7001)) != 'EPERM':
    time.sleep(0.01)
print(answer)"
    );
    let mut waiting = machine.runtime.start(python(&script)).await.unwrap();
    outside.plug_in();
    assert_eq!(line(&mut waiting).await, "EPERM", "also for a dyno that ran already");
    Run::of(&mut waiting).await;

    let mut server = outside.python(
        "
serve(listen('0.0.0.0', 7001), lambda c, peer: peer[0])
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(('0.0.0.0', 7001))
print('up')
while True:
    u.sendto(*u.recvfrom(100))",
    );
    let mut up = [0; 3];
    server.stdout.as_mut().unwrap().read_exact(&mut up).unwrap();
    let script = format!(
        "
print(tcp('{there}', 7001), tcp('::ffff:{there}', 7001))
s = socket.create_connection(('{there}', 7001), 5, ('', 0))
print(s.recv(100).decode())
for bound in [False, True]:
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.settimeout(5)
    if bound:
        u.bind(('', 0))
    u.sendto(b'hello', ('{there}', 7001))
    print(u.recvfrom(100)[1][0])"
    );
    let said = lines(&machine, &script).await;
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(said, [format!("open {here} open {here}"), here, there.clone(), there]);
}
