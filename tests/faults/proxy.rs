//! A userland TCP proxy that a test puts between two processes, to cut, hold or delay what they say to each other.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What becomes of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They pass.
    Open,
    /// Connections are refused.
    Refuse,
    /// Half-open: connections stand and are taken, and nothing passes. Those that stood are dead for ever, as when a router has
    /// forgotten them; new ones work when the link is open again.
    Silent,
    /// Each piece arrives so much later.
    Late(Duration),
}

/// Told of each new connection: the local port that the server sees.
type OnConnect = Arc<dyn Fn(u16) + Send + Sync>;

/// A link that listens on a port of its own and passes everything on to a server.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    mode: watch::Sender<Mode>,
    /// Cancelled to reset all connections of one era.
    era: Arc<Mutex<CancellationToken>>,
    /// Cancelled to let the connections that stand pass nothing any more.
    dead: Arc<Mutex<CancellationToken>>,
    whole: CancellationToken,
}

impl Proxy {
    /// Listens, and passes on to `127.0.0.1:<server>`.
    pub(crate) async fn start(server: u16, on_connect: impl Fn(u16) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (mode, _) = watch::channel(Mode::Open);
        let whole = CancellationToken::new();
        let era = Arc::new(Mutex::new(whole.child_token()));
        let dead = Arc::new(Mutex::new(whole.child_token()));
        let link = Link { server, mode: mode.clone(), era: era.clone(), dead: dead.clone(), on_connect: Arc::new(on_connect) };
        tokio::spawn(whole.clone().run_until_cancelled_owned(link.listen(listener)));
        Self { port, mode, era, dead, whole }
    }

    /// Changes what becomes of the bytes from now on; [`Mode::Refuse`] resets what stands.
    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
        match mode {
            Mode::Refuse => self.reset(),
            Mode::Silent => self.end(&self.dead),
            Mode::Open | Mode::Late(_) => {}
        }
    }

    /// Resets every connection; new ones are taken as before.
    pub(crate) fn reset(&self) {
        self.end(&self.era);
    }

    fn end(&self, token: &Mutex<CancellationToken>) {
        let mut token = token.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *token, self.whole.child_token()).cancel();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.whole.cancel();
    }
}

/// What each connection needs.
#[derive(Clone)]
struct Link {
    server: u16,
    mode: watch::Sender<Mode>,
    era: Arc<Mutex<CancellationToken>>,
    dead: Arc<Mutex<CancellationToken>>,
    on_connect: OnConnect,
}

impl Link {
    async fn listen(self, listener: TcpListener) {
        while let Ok((client, _)) = listener.accept().await {
            let now = |token: &Mutex<CancellationToken>| token.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let (era, dead) = (now(&self.era), now(&self.dead));
            if *self.mode.borrow() == Mode::Refuse {
                reset(&client);
                continue;
            }
            tokio::spawn(self.clone().connect(client, era, dead));
        }
    }

    async fn connect(self, mut client: TcpStream, era: CancellationToken, dead: CancellationToken) {
        let Ok(mut server) = TcpStream::connect(("127.0.0.1", self.server)).await else { return reset(&client) };
        (self.on_connect)(server.local_addr().map_or(0, |address| address.port()));
        for stream in [&client, &server] {
            stream.set_nodelay(true).ok();
        }
        let both = async {
            let (client_reads, client_writes) = client.split();
            let (server_reads, server_writes) = server.split();
            tokio::select! {
                () = pump(client_reads, server_writes, self.mode.subscribe(), &dead) => {}
                () = pump(server_reads, client_writes, self.mode.subscribe(), &dead) => {}
            }
        };
        if era.run_until_cancelled(both).await.is_none() {
            reset(&client);
            reset(&server);
        }
    }
}

/// The end of this connection is a reset, with what is under way lost.
fn reset(stream: &TcpStream) {
    stream.set_zero_linger().ok();
}

/// Carries one direction until either end is gone.
async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut mode: watch::Receiver<Mode>, dead: &CancellationToken) {
    let (pieces, mut waiting) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let delays = mode.clone();
    let read = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(size @ 1..) = from.read(&mut buffer).await {
            let delay = if let Mode::Late(delay) = *delays.borrow() { delay } else { Duration::ZERO };
            if pieces.send((Instant::now() + delay, buffer[..size].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, piece)) = waiting.recv().await {
            tokio::time::sleep_until(due).await;
            if mode.wait_for(|mode| *mode != Mode::Silent).await.is_err() {
                return;
            }
            if dead.is_cancelled() {
                // Neither an answer nor an end: the other side hears nothing.
                std::future::pending::<()>().await;
            }
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}
