//! A relay before a server, which lets it go away and come back, and cuts connections off in the middle.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A relay of TCP connections to a server; it ends when dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    away: AtomicBool,
    done: AtomicBool,
    /// Both ends of every connection.
    open: Mutex<Vec<TcpStream>>,
}

impl Relay {
    /// Starts a relay to a server, such as `127.0.0.1:5432`, on a free port.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(State::default());
        let (shared, server) = (Arc::clone(&state), server.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.done.load(Ordering::SeqCst) {
                    return;
                }
                // Dropping a connection ends it, as a server does that is shutting down.
                shared.join(client, &server);
            }
        });
        Self { address, state }
    }

    /// Returns where it listens, as `host:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Cuts every connection off, wherever it stands; new ones are served.
    pub fn cut(&self) {
        for stream in self.state.open().drain(..) {
            // One that ended before is as good.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// Lets the server go away: connections are cut off, and new ones end at once.
    pub fn leave(&self) {
        self.state.away.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Lets the server come back.
    pub fn come_back(&self) {
        self.state.away.store(false, Ordering::SeqCst);
    }
}

impl State {
    fn open(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects a client with the server, if it is there.
    fn join(&self, client: TcpStream, server: &str) {
        let Ok(upstream) = TcpStream::connect(server) else { return };
        let clone = |stream: &TcpStream| stream.try_clone().expect("a connection can be shared");
        let mut open = self.open();
        // Looked at under the lock, so that none slips past a cut.
        if self.away.load(Ordering::SeqCst) {
            return;
        }
        open.extend([clone(&client), clone(&upstream)]);
        copy(clone(&client), clone(&upstream));
        copy(upstream, client);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.done.store(true, Ordering::SeqCst);
        self.leave();
        // The listener waits for a connection to see that it is done.
        drop(TcpStream::connect(self.address));
    }
}

/// Copies in one direction until one side ends, which ends the other.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        // An error is the end of a connection, which is what the test is about.
        drop(std::io::copy(&mut from, &mut to));
        drop(to.shutdown(Shutdown::Write));
    });
}
