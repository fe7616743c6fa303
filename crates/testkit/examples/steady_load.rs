//! GET requests at a fixed rate until standard input ends: `steady_load ADDR HOST PER_SECOND [CONNECTIONS]`.
//! Lines: `name value unit`. Times count from when a request was due.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program whose output is its result")]

use std::error::Error;
use std::io::Read;
use std::process::ExitCode;
use testkit::{Caller, Visits, open_loop};

/// Enough that a second's requests can wait for one slow answer.
const CONNECTIONS: usize = 512;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match visits(&args) {
        Ok(visits) => {
            print(&visits);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}\nusage: steady_load ADDR HOST PER_SECOND [CONNECTIONS]");
            ExitCode::FAILURE
        }
    }
}

fn visits(args: &[String]) -> Result<Visits, Box<dyn Error>> {
    let [addr, host, per_second, more @ ..] = args else { return Err("too few arguments".into()) };
    let (addr, per_second) = (addr.parse()?, per_second.parse()?);
    let connections = more.first().map_or(Ok(CONNECTIONS), |word| word.parse())?;
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
    let callers = (0..connections).map(|_| Caller::new(addr, request.clone().into())).collect();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let over = async {
            // Whatever ends it, it is over.
            let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await;
        };
        Ok(open_loop(callers, per_second, over).await?.0)
    })
}

fn print(visits: &Visits) {
    println!("answered {} requests", visits.taken_us.len());
    println!("failed {} requests", visits.failed);
    for (name, share) in [("p50", 0.5), ("p99", 0.99), ("longest", 1.0)] {
        println!("{name} {:.3} ms", visits.within_ms(share));
    }
    for failure in &visits.failures {
        println!("# failed: {}", failure.lines().next().unwrap_or_default());
    }
}
