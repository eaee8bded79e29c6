//! Each client's own generator and stamps.

use crate::{Rng, Stamp};

/// Per-client streams: the seed and the client fix what the client draws.
#[derive(Debug)]
pub struct Clients {
    seed: u64,
    era: u16,
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    rng: Rng,
    number: u64,
}

impl Clients {
    pub fn new(seed: u64, era: u16) -> Clients {
        assert!((1..=Stamp::ERA_MAX).contains(&era), "runs are numbered from 1 to {}", Stamp::ERA_MAX);
        Clients { seed, era, clients: Vec::new() }
    }

    /// The run's number.
    pub fn era(&self) -> u16 {
        self.era
    }

    /// A client's generator and the stamp of its next transaction.
    pub fn next(&mut self, client: u32) -> (&mut Rng, Stamp) {
        let (seed, era) = (self.seed, self.era);
        while self.clients.len() <= client as usize {
            let index = self.clients.len() as u64 | u64::from(era) << 32;
            self.clients.push(Client { rng: Rng::stream(seed, "client", index), number: 0 });
        }
        let state = &mut self.clients[client as usize];
        let stamp = Stamp::new(era, client, state.number);
        state.number += 1;
        (&mut state.rng, stamp)
    }
}
