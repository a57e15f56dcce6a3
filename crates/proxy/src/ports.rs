//! The ports that clients talk to: which there are, and what is served there, from one configuration to the next.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;

use crate::{
    config::{self, Limits, ServerTls},
    connections::Connections,
    gateway::{StartError, bind},
    room::Room,
    route::Routes,
    server::{self, Answers, Listening, Now, Socket},
    stack::stack,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Ports {
    connections: Arc<Connections>,
    /// In the order of the configuration.
    open: Vec<Port>,
    /// Those that are no longer wanted, until their last connection is done.
    leaving: Vec<Listening>,
}

/// One port, and the way to have something else served there.
struct Port {
    /// The address in the configuration, which may leave the port to the system.
    configured: SocketAddr,
    is_secure: bool,
    listening: Listening,
    turn: Box<dyn Fn(Face<'_>) + Send + Sync>,
}

/// What is served at a port.
#[derive(Debug)]
pub(crate) struct Face<'a> {
    pub(crate) routes: Routes,
    pub(crate) limits: &'a Limits,
    pub(crate) room: &'a Room,
    pub(crate) tls: Option<&'a ServerTls>,
}

/// Where a listener is to be.
#[derive(Debug)]
pub(crate) enum Found {
    /// At this one of the open ports.
    Open(usize),
    /// At an address that was bound for it.
    Bound(SocketAddr, Socket),
}

impl Ports {
    /// None yet.
    pub(crate) fn new(connections: Arc<Connections>) -> Self {
        Self { connections, open: Vec::new(), leaving: Vec::new() }
    }

    /// Finds a port for each listener, and binds those that are missing. Nothing has changed then.
    ///
    /// # Errors
    ///
    /// One cannot be bound, or speaks TLS and is not to, or the other way round: what is open now would go on as it is.
    pub(crate) async fn find(&self, listeners: &[config::Listener]) -> Result<Vec<Found>, StartError> {
        let mut free: Vec<_> = self.open.iter().enumerate().collect();
        let mut found = Vec::with_capacity(listeners.len());
        for config::Listener { address, tls, .. } in listeners {
            let fits = free.iter().position(|(_, port)| port.configured == *address);
            found.push(match fits.map(|position| free.remove(position)) {
                Some((index, port)) if port.is_secure == tls.is_some() => Found::Open(index),
                Some(_) => return Err(StartError::Fixed("whether a listener at this address speaks TLS")),
                None => Found::Bound(*address, bind(*address).await?),
            });
        }
        Ok(found)
    }

    /// Has these faces served at the ports that were found for them. Others are closed: what is under way there has as long
    /// as `drain`.
    pub(crate) fn turn(&mut self, faces: Vec<(Found, Face<'_>)>, drain: Duration) {
        let mut before: Vec<_> = std::mem::take(&mut self.open).into_iter().map(Some).collect();
        for (found, face) in faces {
            let port = match found {
                Found::Open(index) => before[index].take().expect("no two are found the same"),
                Found::Bound(configured, socket) => {
                    tracing::info!(address = %socket.address, "listening");
                    self.open.push(Port::open(configured, socket, face, Arc::clone(&self.connections)));
                    continue;
                }
            };
            (port.turn)(face);
            self.open.push(port);
        }
        self.leaving.retain(|listening| !listening.has_stopped());
        for Port { listening, .. } in before.into_iter().flatten() {
            tracing::info!(address = %listening.address, "not listening any more");
            listening.stop();
            listening.cut_off_after(drain);
            self.leaving.push(listening);
        }
    }

    /// Where the ports are, in the order of the configuration.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.open.iter().map(|port| port.listening.address).collect()
    }

    /// Refuses new connections; those that are open finish what they are at.
    pub(crate) fn stop(&self) {
        self.open.iter().for_each(|port| port.listening.stop());
    }

    /// Waits until all connections are done.
    pub(crate) async fn stopped(&mut self) {
        let open = self.open.iter_mut().map(|port| &mut port.listening);
        for listening in open.chain(&mut self.leaving) {
            listening.stopped().await;
        }
    }

    /// Cuts off all connections that are not done.
    pub(crate) fn cut_off(&self) {
        let open = self.open.iter().map(|port| &port.listening);
        open.chain(&self.leaving).for_each(Listening::cut_off);
    }
}

impl Port {
    fn open(configured: SocketAddr, socket: Socket, face: Face<'_>, connections: Arc<Connections>) -> Self {
        let is_secure = face.tls.is_some();
        let now = Arc::new(ArcSwap::from_pointee(face.now()));
        let listening = server::serve(socket, Arc::clone(&now), connections);
        Self { configured, is_secure, listening, turn: Box::new(move |face| now.store(Arc::new(face.now()))) }
    }
}

impl Face<'_> {
    fn now(self) -> Now<impl Answers + use<>> {
        Now::new(stack(self.routes, self.limits, self.room), self.limits.head, self.tls)
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").field("listening", &self.listening).finish_non_exhaustive()
    }
}
