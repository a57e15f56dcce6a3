//! Repeats in databases.

use std::time::Duration;

use async_trait::async_trait;
use interlingua_core::{
    Bytes, Response,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
};

use super::{Argument, Database, Kept, Session, changed, within};
use crate::{
    Begun, EntryId, Repeats, StoreError,
    writes::{Seal, hash},
};

/// What is answered and has had its time is as good as not there.
const BEGIN: &str = "
    INSERT INTO repeats (id, fingerprint, owner, expires) SELECT $1, $2, $3, now + $4 FROM clock WHERE true
    ON CONFLICT (id) DO UPDATE SET
        fingerprint = excluded.fingerprint, owner = excluded.owner, expires = excluded.expires,
        entry = NULL, status = NULL, answer = NULL
    WHERE repeats.status IS NOT NULL AND repeats.expires <= (SELECT now FROM clock)
    RETURNING expires";
const FIND: &str = "
    SELECT r.fingerprint, r.owner, r.expires, r.entry, r.status, r.answer,
        r.expires <= (SELECT now FROM clock) AS expired,
        EXISTS (SELECT 1 FROM owners AS o, clock WHERE o.owner = r.owner AND o.until > now)
            AND (r.entry IS NULL OR EXISTS (SELECT 1 FROM journal AS j WHERE j.entry = r.entry AND j.closed IS NULL))
            AS alive
    FROM repeats AS r WHERE id = $1";
const BEGIN_AGAIN: &str = "
    UPDATE repeats SET fingerprint = $2, owner = $3, expires = (SELECT now FROM clock) + $4, entry = NULL
    WHERE id = $1 AND owner = $5 AND expires = $6 AND coalesce(entry, 0) = $7 AND status IS NULL
    RETURNING expires";
const ANSWER: &str = "
    UPDATE repeats SET status = $3, answer = $4 WHERE id = $1 AND owner = $2 AND status IS NULL
    RETURNING expires";
const FORGET: &str = "
    DELETE FROM repeats WHERE id = $1 AND owner = $2 AND status IS NULL
    RETURNING expires";

#[derive(sqlx::FromRow)]
struct Row {
    fingerprint: Vec<u8>,
    owner: i64,
    expires: i64,
    entry: Option<i64>,
    status: Option<i64>,
    answer: Option<Vec<u8>>,
    expired: bool,
    /// Whether its owner is there, and at it.
    alive: bool,
}

impl Row {
    /// What there is of the request, for the owner `me`; `None` when it can be begun again, as nobody is at it and
    /// nothing came of it.
    fn begun(&self, fingerprint: &[u8; 32], me: i64, seal: &Seal, about: &str) -> Result<Option<Begun>, StoreError> {
        if self.status.is_none()
            && !self.alive
            && (self.expired || self.fingerprint == fingerprint && self.entry.is_none())
        {
            return Ok(None);
        }
        Ok(Some(match (self.status, self.entry) {
            _ if self.fingerprint != fingerprint => Begun::Differs,
            (Some(status), _) => {
                let status = status_of_number(status)?;
                let sealed = self.answer.as_deref().and_then(|answer| seal.open(about, answer));
                match sealed.and_then(|parts| response(status, parts)) {
                    Some(response) => Begun::Answered(response),
                    None => Begun::AnswerNotKept(status),
                }
            }
            (None, Some(entry)) if !self.alive => Begun::Interrupted(EntryId(entry)),
            (None, entry) if self.owner == me => Begun::Own(entry.map(EntryId)),
            (None, _) => Begun::InProgress,
        }))
    }
}

fn status_of_number(number: i64) -> Result<StatusCode, StoreError> {
    let status = u16::try_from(number).ok().and_then(|number| StatusCode::from_u16(number).ok());
    status.ok_or_else(|| StoreError::unusable("a status of an answer in it is none"))
}

/// What an answer is sealed with.
fn about(client: &str, key: &str) -> String {
    format!("the answer to {client:?} for {key:?}")
}

/// What of an answer is sealed: names and values of its headers, and the body.
fn parts(answer: &Response) -> impl Iterator<Item = &[u8]> {
    let headers = answer.headers.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
    headers.chain([&*answer.body])
}

fn response(status: StatusCode, mut parts: Vec<Bytes>) -> Option<Response> {
    let body = parts.pop()?;
    let mut headers = HeaderMap::new();
    for header in parts.chunks_exact(2) {
        headers.append(HeaderName::from_bytes(&header[0]).ok()?, HeaderValue::from_bytes(&header[1]).ok()?);
    }
    Some(Response { status, headers, body })
}

/// As whom `me` may say what came of a request: as itself, or as an owner who is not at it any more.
async fn speaker(session: &mut impl Session, id: Argument<'_>, me: i64) -> Result<i64, StoreError> {
    let row: Option<Row> = session.row(FIND, &[id]).await?;
    Ok(row.filter(|row| !row.alive).map_or(me, |row| row.owner))
}

#[async_trait]
impl<D: Database> Repeats for Kept<D> {
    async fn begin(
        &self,
        client: &str,
        key: &str,
        fingerprint: &[u8; 32],
        keep: Duration,
    ) -> Result<Begun, StoreError> {
        let (id, about) = (hash(client, key), about(client, key));
        let (id, print) = (Argument::Bytes(Some(&id)), Argument::Bytes(Some(fingerprint)));
        within(self.timeout, async {
            let me = self.owner().await?;
            let mut writer = self.database.writer().await?;
            loop {
                let begun: Option<(i64,)> = writer.row(BEGIN, &[id, print, me.into(), keep.into()]).await?;
                if begun.is_some() {
                    return Ok(Begun::Fresh);
                }
                let found: Option<Row> = writer.row(FIND, &[id]).await?;
                let Some(row) = found else { continue }; // forgotten just now
                if let Some(begun) = row.begun(fingerprint, me, &self.seal, &about)? {
                    return Ok(begun);
                }
                let (owner, expires, entry) = (row.owner.into(), row.expires.into(), row.entry.unwrap_or(0).into());
                let again = [id, print, me.into(), keep.into(), owner, expires, entry];
                let begun: Option<(i64,)> = writer.row(BEGIN_AGAIN, &again).await?;
                if begun.is_some() {
                    return Ok(Begun::Fresh);
                }
            }
        })
        .await
    }

    async fn answer(&self, client: &str, key: &str, answer: &Response) -> Result<(), StoreError> {
        let id = hash(client, key);
        let id = Argument::Bytes(Some(&id));
        let sealed = self.seal.seal(&about(client, key), parts(answer));
        let status = i64::from(answer.status.as_u16());
        within(self.timeout, async {
            let me = self.owner().await?;
            let mut writer = self.database.writer().await?;
            let speaker = speaker(&mut *writer, id, me).await?;
            let arguments = [id, speaker.into(), status.into(), sealed.as_deref().into()];
            changed(writer.row(ANSWER, &arguments).await?, "a request that can be repeated")
        })
        .await
    }

    async fn forget(&self, client: &str, key: &str) -> Result<(), StoreError> {
        let id = hash(client, key);
        let id = Argument::Bytes(Some(&id));
        within(self.timeout, async {
            let me = self.owner().await?;
            let mut writer = self.database.writer().await?;
            let speaker = speaker(&mut *writer, id, me).await?;
            changed(writer.row(FORGET, &[id, speaker.into()]).await?, "a request that can be repeated")
        })
        .await
    }
}
