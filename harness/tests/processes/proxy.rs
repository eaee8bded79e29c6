//! A wire between two processes that a test can cut, and on which it can damage what passes.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Passes connections on to another address.
pub struct Proxy {
    pub address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    open: Mutex<Vec<TcpStream>>,
    /// The next piece that passes towards the node has a bit flipped.
    damage: AtomicBool,
}

impl Proxy {
    /// Before `target`. It lives as long as the test's process.
    pub fn before(target: SocketAddr) -> Proxy {
        let listener = TcpListener::bind((target.ip(), 0)).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(State::default());
        let passing = Arc::clone(&state);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                // Nobody behind it: the caller finds its connection closed.
                let Ok(far) = TcpStream::connect(target) else { continue };
                let ends = [near.try_clone(), far.try_clone()].map(|end| end.expect("a descriptor"));
                passing.open.lock().expect("unpoisoned").extend(ends);
                pass(
                    near.try_clone().expect("a descriptor"),
                    far.try_clone().expect("a descriptor"),
                    Some(Arc::clone(&passing)),
                );
                pass(far, near, None);
            }
        });
        Proxy { address, state }
    }

    /// Ends every connection that is open now.
    pub fn cut(&self) -> usize {
        let open = std::mem::take(&mut *self.state.open.lock().expect("unpoisoned"));
        // Ends that were closed already are as cut as can be.
        open.iter().for_each(|end| drop(end.shutdown(Shutdown::Both)));
        open.len() / 2
    }

    /// Flips a bit of what passes towards the node next.
    pub fn damage(&self) {
        self.state.damage.store(true, Ordering::SeqCst);
    }
}

/// Copies one direction on a thread of its own, until either end closes.
fn pass(mut from: TcpStream, mut to: TcpStream, damaging: Option<Arc<State>>) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(len @ 1..) = from.read(&mut buffer) {
            if damaging.as_ref().is_some_and(|state| state.damage.swap(false, Ordering::SeqCst)) {
                buffer[len - 1] ^= 0x40;
            }
            if to.write_all(&buffer[..len]).is_err() {
                break;
            }
        }
        // The other end may be gone already.
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
}
