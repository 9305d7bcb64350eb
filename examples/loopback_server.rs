//! The server on loopback that `hetero run fetch` measures against when no URL is named, in a process of its own: what it
//! costs is then not counted with the client.
//!
//! `cargo run --release --example loopback_server -- [PORT] [LATENCY in ms] [SIZE in bytes]` prints its address and serves
//! until its input ends.

use std::io::Read;
use std::time::Duration;

use hetero::net::allow_open_files;
use hetero::net::loopback::{Files, Server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |usual: u64| arguments.next().map_or(Ok(usual), |text| text.parse::<u64>());
    let (port, latency, size) = (number(0)?, number(50)?, number(1000)?);
    allow_open_files(4096);
    let files = Files { latency: Duration::from_millis(latency), size: usize::try_from(size)?, seed: 42 };
    let server = Server::start(files, u16::try_from(port)?)?;
    println!("http://{}/files/", server.address());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
