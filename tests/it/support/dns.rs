//! A private name server, and the program in a place where it is the only one.

use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::thread;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

use super::program::{Said, Site, mounted, said};

/// What a name server knows.
#[derive(Clone, Default)]
pub struct Zone {
    /// Names that have 127.0.0.1.
    pub hosts: Vec<String>,
    /// Service name, priority, weight, port, host.
    pub services: Vec<(String, u16, u16, u16, String)>,
}

/// A name server on a loopback address of its own, until the test ends.
pub struct Dns(Ipv4Addr);

impl Dns {
    /// Answers from the zone; whatever is not in it does not exist.
    pub fn start(zone: Zone) -> Self {
        let ours = u8::try_from(std::process::id() % 250).unwrap();
        let (address, socket) = (1..=254)
            .map(|last| Ipv4Addr::new(127, 5, ours, last))
            .find_map(|address| Some((address, UdpSocket::bind((address, 53)).ok()?)))
            .expect("port 53 of a loopback address; the tests run as root");
        thread::spawn(move || {
            let mut packet = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                let Ok(asked) = Message::from_vec(&packet[..length]) else { continue };
                _ = socket.send_to(&answer(&zone, &asked).to_vec().unwrap(), from);
            }
        });
        Self(address)
    }

    /// The address of a name server that is not there.
    pub fn dead() -> Self {
        Self(Ipv4Addr::new(127, 6, 6, 6))
    }

    /// Runs the program so that it asks this name server and no other.
    pub fn run(&self, site: &Site, arguments: &[&str]) -> Said {
        self.output(&site.command(arguments))
    }

    /// The same for any command.
    pub fn output(&self, command: &Command) -> Said {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, format!("nameserver {}\noptions timeout:1 attempts:1\n", self.0)).unwrap();
        let output = mounted("mount --bind \"$1\" /etc/resolv.conf", file.path(), command).output().unwrap();
        assert_eq!(output.status.signal(), None, "{output:?}");
        said(&output)
    }
}

fn answer(zone: &Zone, asked: &Message) -> Message {
    let mut answer = Message::response(asked.metadata.id, asked.metadata.op_code);
    answer.metadata.recursion_available = true;
    let mut known = false;
    for query in &asked.queries {
        answer.add_query(query.clone());
        let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
        let mut add = |data| _ = answer.add_answer(Record::from_rdata(query.name().clone(), 60, data));
        if zone.hosts.contains(&name) {
            known = true;
            if query.query_type() == RecordType::A {
                add(RData::A(A(Ipv4Addr::LOCALHOST)));
            }
        }
        for (_, priority, weight, port, host) in zone.services.iter().filter(|service| service.0 == name) {
            known = true;
            let host = Name::from_ascii(format!("{host}.")).unwrap();
            add(RData::SRV(SRV::new(*priority, *weight, *port, host)));
        }
    }
    answer.metadata.response_code = if known { ResponseCode::NoError } else { ResponseCode::NXDomain };
    answer
}
