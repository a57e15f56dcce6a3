//! Bodies: read whole, within a limit, and decompressed; those that are passed on as they arrive are in `relay`.

use std::{fmt, io::Read};

use bytes::{Bytes, BytesMut};
use flate2::bufread::GzDecoder;
use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body as _, Incoming};
use interlingua_core::{Error, ErrorKind, Reply, Result};

use crate::{relay::Relayed, room::Held};

/// The most members of a gzip body, each of which costs far more to read than it says. RFC 1952 lets there be several, and
/// who compresses in parallel makes them of 64 KiB and more.
const MOST_MEMBERS: usize = 256;

/// The body of an answer: whole, or as it arrives from an upstream.
pub(crate) type Body = Either<Full<Bytes>, Relayed>;

/// A body that is there.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Body::Left(Full::new(bytes.into()))
}

/// A request's body, as it came and as it reads.
#[derive(Clone)]
pub(crate) struct ReadBody {
    /// The bytes as they came, which a pass route forwards.
    pub(crate) raw: Bytes,
    /// The bytes without their content encoding.
    pub(crate) decoded: Bytes,
}

impl fmt::Debug for ReadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBody").field("raw_bytes", &self.raw.len()).finish_non_exhaustive()
    }
}

/// Reads a request's body.
///
/// # Errors
///
/// It is larger than `limit`, before or after decompression; with others it takes up too much; it is of a type or
/// encoding that is not read here; it breaks off.
pub(crate) async fn read(headers: &HeaderMap, body: Incoming, limit: usize, held: &mut Held) -> Result<ReadBody> {
    let gzip = is_gzip(headers)?;
    // Refused before `100 Continue` asks for it.
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    if body.is_end_stream() {
        return Ok(ReadBody { raw: Bytes::new(), decoded: Bytes::new() });
    }
    let raw = collect(body, limit, held).await?;
    if !raw.is_empty() {
        check_media_type(headers)?;
    }
    if !gzip {
        return Ok(ReadBody { decoded: raw.clone(), raw });
    }
    let decoded = gunzip(&raw, limit)?;
    held.grow_to(raw.len() + decoded.len())?;
    Ok(ReadBody { raw, decoded })
}

/// An upstream's document without its content encoding, where that is one that is read here.
pub(crate) fn decoded(reply: &Reply, limit: usize) -> Result<Bytes> {
    if is_gzip(&reply.headers)? { gunzip(&reply.body, limit) } else { Ok(reply.body.clone()) }
}

/// The whole of a body, which takes up no more than has arrived.
async fn collect(mut body: Incoming, limit: usize, held: &mut Held) -> Result<Bytes> {
    let mut whole = BytesMut::new();
    while let Some(piece) = body.frame().await {
        let piece = piece.map_err(|_| Error::new(ErrorKind::Malformed, "the body broke off"))?;
        // Trailers are nobody's here.
        let Ok(data) = piece.into_data() else { continue };
        let length = whole.len() + data.len();
        if length > limit {
            return Err(too_large(limit));
        }
        held.grow_to(length)?;
        if whole.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

fn too_large(limit: usize) -> Error {
    Error::new(ErrorKind::TooLarge, format!("the body is larger than {limit} bytes"))
}

fn is_gzip(headers: &HeaderMap) -> Result<bool> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    let (first, second) = (encodings.next(), encodings.next());
    match (first.map(|value| value.as_bytes().trim_ascii()), second) {
        (None | Some(b""), None) => Ok(false),
        (Some(name), None) if name.eq_ignore_ascii_case(b"identity") => Ok(false),
        (Some(name), None) if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") => Ok(true),
        _ => Err(Error::new(ErrorKind::UnsupportedMedia, "a body may be encoded with gzip or not at all")),
    }
}

pub(crate) fn gunzip(raw: &[u8], limit: usize) -> Result<Bytes> {
    let (mut rest, mut decoded) = (raw, Vec::new());
    for _ in 0..MOST_MEMBERS {
        if rest.is_empty() {
            break;
        }
        let mut member = GzDecoder::new(rest).take((limit - decoded.len()) as u64 + 1);
        member
            .read_to_end(&mut decoded)
            .map_err(|_| Error::new(ErrorKind::Malformed, "the body is not valid gzip, as Content-Encoding says"))?;
        if decoded.len() > limit {
            return Err(too_large(limit));
        }
        rest = member.into_inner().into_inner();
    }
    if rest.is_empty() {
        Ok(decoded.into())
    } else {
        Err(Error::new(ErrorKind::Malformed, format!("the body has more than {MOST_MEMBERS} gzip members")))
    }
}

/// Accepts whatever the vendors' own examples call a JSON document, curl's default for `-d` among it.
fn check_media_type(headers: &HeaderMap) -> Result<()> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if matches!(essence.as_str(), "" | "application/json" | FORM)
        || essence.ends_with("+json")
        || essence.ends_with("+jsonld")
    {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::UnsupportedMedia, "the body's type is not one of JSON"))
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

/// Whether the client named no type of JSON, so that the upstream must be told one.
pub(crate) fn names_no_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_none_or(|value| {
        let essence = value.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        essence.is_empty() || essence.eq_ignore_ascii_case(FORM.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use http::HeaderValue;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_is_read_within_the_limit() {
        assert_eq!(gunzip(b"", 10).unwrap(), "");
        assert_eq!(gunzip(&[gzip(b"{"), gzip(b"}")].concat(), 2).unwrap(), "{}");
        assert_eq!(gunzip(&[gzip(b"{"), gzip(b"}")].concat(), 1).unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(gunzip(&gzip(b"").repeat(MOST_MEMBERS), 10).unwrap(), "");
        assert_eq!(gunzip(&gzip(b"").repeat(MOST_MEMBERS + 1), 10).unwrap_err().kind(), ErrorKind::Malformed);
        assert_eq!(gunzip(&gzip(b"{}"), 10).unwrap(), "{}");
        assert_eq!(gunzip(&gzip(&[b' '; 11]), 10).unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(gunzip(b"no gzip", 10).unwrap_err().kind(), ErrorKind::Malformed);
        assert_eq!(gunzip(&gzip(b"{}")[..12], 10).unwrap_err().kind(), ErrorKind::Malformed);
    }

    #[track_caller]
    fn media_type(value: &'static str, accepted: bool, no_json: bool) {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);
        assert_eq!(check_media_type(&headers).is_ok(), accepted, "{value}");
        assert_eq!(names_no_json(&headers), no_json, "{value}");
    }

    #[test]
    fn json_goes_by_many_names() {
        media_type("application/json", true, false);
        media_type("Application/JSON; charset=utf-8", true, false);
        media_type("application/vnd.textus+jsonld", true, false);
        media_type("application/ld+json", true, false);
        media_type("application/x-www-form-urlencoded", true, true);
        media_type("", true, true);
        media_type("text/plain", false, false);
        media_type("multipart/form-data; boundary=x", false, false);
    }

    #[track_caller]
    fn encoding(values: &[&'static str], expected: Option<bool>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
        }
        assert_eq!(is_gzip(&headers).ok(), expected);
    }

    #[test]
    fn one_encoding_or_none() {
        encoding(&[], Some(false));
        encoding(&["identity"], Some(false));
        encoding(&["GZIP"], Some(true));
        encoding(&["br"], None);
        encoding(&["gzip, gzip"], None);
        encoding(&["gzip", "gzip"], None);
    }
}
