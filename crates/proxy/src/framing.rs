//! Finds, beneath hyper, the request of HTTP/1.1 that says in two ways where its body ends.
//!
//! A `Content-Length` beside a `Transfer-Encoding` may be refused (RFC 9112, section 6.3), and somebody who trusts us with
//! what goes through us wants it refused: the two are for two readers who are meant to disagree. hyper drops the length
//! before anybody here sees the request, takes the chunks, and closes the connection after the answer. So the bytes are
//! looked at on their way in, for as much as has to be known to tell where each head begins.
//!
//! Only heads that hyper takes matter: what it refuses ends the connection, whatever was read into it here.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use memchr::memchr;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The line that begins HTTP/2 (RFC 9113, section 3.4), whose frames say where everything ends.
const HTTP2: &[u8] = b"PRI * HTTP/2.0";

/// The number of the first request of a connection that says twice where its body ends, once its head has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contradiction(Arc<AtomicU64>);

impl Contradiction {
    /// Whether it is the request of this number, from 1.
    pub(crate) fn is(&self, number: u64) -> bool {
        self.0.load(Ordering::Relaxed) == number
    }
}

/// What such a request has among its extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contradictory;

/// A stream whose incoming bytes are looked at.
#[derive(Debug)]
pub(crate) struct Framed<IO> {
    io: IO,
    reader: Reader,
}

impl<IO> Framed<IO> {
    /// Looks at what comes in, and notes in `contradiction` what is found.
    pub(crate) fn new(io: IO, contradiction: Contradiction) -> Self {
        Self { io, reader: Reader::new(contradiction) }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Framed<IO> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buffer);
        self.reader.read(&buffer.filled()[before..]);
        polled
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Framed<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// Follows the requests of one connection from head to head.
#[derive(Debug)]
struct Reader {
    contradiction: Contradiction,
    /// How many heads have ended.
    heads: u64,
    /// The beginning of a line whose end has not come yet; hyper keeps it, too, and limits its length.
    line: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Empty lines may come before the first line of a request.
    FirstLine,
    Headers(Framing),
    /// So many bytes are left of a body, or of a chunk and the line end after it.
    Bytes {
        left: u64,
        then: AfterBytes,
    },
    ChunkSize,
    Trailers,
    /// Nothing more is looked at: not HTTP/1.1, or nothing that hyper goes on with.
    Blind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterBytes {
    NextRequest,
    NextChunk,
}

/// What the headers of a request have said so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
}

impl Reader {
    fn new(contradiction: Contradiction) -> Self {
        Self { contradiction, heads: 0, line: Vec::new(), state: State::FirstLine }
    }

    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.state != State::Blind {
            if let State::Bytes { left, then } = self.state {
                let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                bytes = &bytes[skipped..];
                self.state = match (left - skipped as u64, then) {
                    (0, AfterBytes::NextRequest) => State::FirstLine,
                    (0, AfterBytes::NextChunk) => State::ChunkSize,
                    (left, then) => State::Bytes { left, then },
                };
                continue;
            }
            let Some(end) = memchr(b'\n', bytes) else {
                self.line.extend_from_slice(bytes);
                return;
            };
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            if self.line.is_empty() {
                self.state = self.after(line);
            } else {
                self.line.extend_from_slice(line);
                let line = std::mem::take(&mut self.line);
                self.state = self.after(&line);
            }
            bytes = rest;
        }
    }

    /// What comes after this line, whose line feed is not in it.
    fn after(&mut self, line: &[u8]) -> State {
        let ended = line.strip_suffix(b"\r");
        let text = ended.unwrap_or(line);
        match self.state {
            State::FirstLine if text.is_empty() => State::FirstLine,
            State::FirstLine if text == HTTP2 => State::Blind,
            State::FirstLine => State::Headers(Framing::default()),
            State::Headers(framing) if text.is_empty() => self.body(framing),
            State::Headers(framing) => framing.with(text).map_or(State::Blind, State::Headers),
            // Within chunks hyper takes a line feed for the end of a line only after a carriage return.
            State::ChunkSize | State::Trailers if ended.is_none() => State::Blind,
            State::ChunkSize => match chunk_size(text) {
                None => State::Blind,
                Some(0) => State::Trailers,
                Some(size) => State::Bytes { left: size.saturating_add(2), then: AfterBytes::NextChunk },
            },
            State::Trailers if text.is_empty() => State::FirstLine,
            state @ (State::Trailers | State::Bytes { .. } | State::Blind) => state,
        }
    }

    /// The head has ended.
    fn body(&mut self, framing: Framing) -> State {
        self.heads += 1;
        match framing {
            Framing { length: Some(_), chunked: true } => {
                self.contradiction.0.store(self.heads, Ordering::Relaxed);
                State::Blind
            }
            Framing { chunked: true, .. } => State::ChunkSize,
            Framing { length: None | Some(0), .. } => State::FirstLine,
            Framing { length: Some(left), .. } => State::Bytes { left, then: AfterBytes::NextRequest },
        }
    }
}

impl Framing {
    /// With what this header line says. `None`: hyper refuses it.
    fn with(mut self, line: &[u8]) -> Option<Self> {
        // As good as all lines are told apart from those two by their first byte.
        match line.first() {
            Some(b'c' | b'C') => {
                if let Some(value) = value_of(line, b"content-length") {
                    self.length = Some(str::from_utf8(value).ok()?.parse().ok()?);
                }
            }
            Some(b't' | b'T') => self.chunked |= value_of(line, b"transfer-encoding").is_some(),
            _ => {}
        }
        Some(self)
    }
}

/// What a line says of the header of this name, without blanks around it.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

/// The size that a chunk's first line begins with, in hexadecimal digits.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    u64::from_str_radix(str::from_utf8(&line[..digits]).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, convert::Infallible};

    use http::{Request, Response};
    use http_body_util::BodyExt;
    use hyper::{body::Incoming, server::conn::http1, service::service_fn};
    use hyper_util::rt::TokioIo;
    use proptest::{collection::vec, prelude::*, sample::select};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// How many requests hyper makes of these bytes, when they come in pieces of such sizes, and how many of them said
    /// twice where they end.
    async fn requests(bytes: &[u8], pieces: &[usize]) -> (u64, u64) {
        let (client, server) = duplex(1 << 16);
        let contradiction = Contradiction::default();
        let framed = Framed::new(server, contradiction.clone());
        let (all, contradictory) = (Cell::new(0), Cell::new(0));
        let service = service_fn(|request: Request<Incoming>| {
            all.update(|all| all + 1);
            contradictory.update(|found| found + u64::from(contradiction.is(all.get())));
            async move {
                // What hyper finds wrong with a body ends the connection by itself.
                let _ = request.into_body().collect().await;
                Ok::<_, Infallible>(Response::new(String::new()))
            }
        });
        let (mut answers, mut sending) = tokio::io::split(client);
        let send = async move {
            let mut rest = bytes;
            for &piece in pieces.iter().cycle() {
                let (now, later) = rest.split_at(piece.min(rest.len()));
                // A server that has closed the connection takes no more.
                if now.is_empty() || sending.write_all(now).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
                rest = later;
            }
            let _ = sending.shutdown().await;
        };
        let receive = async move {
            let _ = answers.read_to_end(&mut Vec::new()).await;
        };
        let serve = async { drop(http1::Builder::new().serve_connection(TokioIo::new(framed), service).await) };
        tokio::join!(send, receive, serve);
        (all.get(), contradictory.get())
    }

    fn both(bytes: &str, pieces: &[usize]) -> (u64, u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(requests(bytes.as_bytes(), pieces))
    }

    const LENGTH: &str = "PUT / HTTP/1.1\r\ncontent-length: 17\r\n\r\nx\r\n\r\nGET / HTTP/1.";
    const CHUNKS: &str = "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nx\r\n\r\n0\r\nt: x\r\n\r\n";
    const NEITHER: &str = "\r\nGET / HTTP/1.1\nhost: x\n\n";
    const BOTH: [&str; 3] = [
        "PUT / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "PUT / HTTP/1.1\r\nTRANSFER-ENCODING:chunked\r\nhost: x\r\nCONTENT-LENGTH:5\r\n\r\n0\r\n\r\n",
        "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: \t 5 \r\nContent-Length: 5\n\n0\r\n\r\n",
    ];

    #[test]
    fn what_says_it_twice_is_found_wherever_it_comes() {
        for contradictory in BOTH {
            for before in ["", LENGTH, CHUNKS, NEITHER, &[LENGTH, CHUNKS, NEITHER, CHUNKS, LENGTH].concat()] {
                let count = before.matches("HTTP/1.1").count() as u64;
                for piece in [1, 2, 7, 10_000] {
                    let bytes = [before, contradictory, LENGTH].concat();
                    assert_eq!(both(&bytes, &[piece]), (count + 1, 1), "{bytes:?} by {piece}");
                }
            }
        }
    }

    #[test]
    fn a_line_may_be_long_and_come_in_pieces() {
        let long = "x".repeat(1000);
        let head =
            format!("PUT /{long} HTTP/1.1\r\nx: {long}\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n");
        for piece in [1, 255, 1000, 1024] {
            assert_eq!(both(&format!("{NEITHER}{head}0\r\n\r\n"), &[piece]), (2, 1));
        }
    }

    #[test]
    fn http_2_is_let_be() {
        let mut reader = Reader::new(Contradiction::default());
        reader.read(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0");
        assert_eq!(reader.state, State::Blind);
    }

    /// What requests are made of, in any order: most of it is none.
    const PARTS: &[&str] = &[
        LENGTH,
        CHUNKS,
        NEITHER,
        BOTH[0],
        BOTH[1],
        "PUT / HTTP/1.1\r\n",
        "content-length: 3\r\n",
        "content-length: +3\r\n",
        "content-length : 3\r\n",
        "transfer-encoding: chunked\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "x: content-length: 3\r\n",
        "x: y\n",
        "\r\n",
        "\n",
        "\r",
        "3\r\n",
        "0\r\n",
        "a: b\n",
        ";ext",
        "xyz",
    ];

    proptest! {
        /// Of each request that hyper takes to have both headers, we say so, and of no other: hyper closes after such a one.
        #[test]
        fn hyper_and_we_see_the_same_heads(parts in vec(select(PARTS), 1..12), pieces in vec(1_usize..40, 1..4)) {
            let bytes = parts.concat();
            let (all, contradictory) = both(&bytes, &pieces);
            let mut reader = Reader::new(Contradiction::default());
            reader.read(bytes.as_bytes());
            // What comes after a head that hyper refuses is of no account, so we may have seen more, never fewer.
            prop_assert!(reader.heads >= all, "{bytes:?}: hyper saw {all}, we {}", reader.heads);
            prop_assert!(contradictory <= 1);
            if contradictory == 1 {
                prop_assert!(reader.contradiction.is(all), "the last that hyper answers is the one");
            }
        }
    }
}
