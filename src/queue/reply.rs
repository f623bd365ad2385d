//! Reads the replies of stream commands without copying their bytes. Knows shapes, not meanings.

use redis::Value;

use super::{EntryId, Error};

/// An entry of a stream as it came; fields are `None` when the entry is deleted but still pending.
#[derive(Debug, PartialEq)]
pub(crate) struct Raw {
    pub(crate) id: EntryId,
    pub(crate) fields: Option<Pairs>,
}

impl Raw {
    /// The value of a field, taken out; empty when it is not there.
    pub(crate) fn take(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        self.fields.as_mut()?.iter_mut().find(|(field, _)| field == name).map(|(_, value)| std::mem::take(value))
    }
}

/// Entries by the key of their stream.
pub(crate) type Streams = Vec<(Vec<u8>, Vec<Raw>)>;

/// Names and values in turn.
pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// What is wrong with a reply, for [`Error::Unreadable`].
pub(crate) fn unreadable(act: &'static str, value: &Value) -> Error {
    Error::Unreadable { act, what: format!("{value:?}").chars().take(200).collect() }
}

/// The reply of `XREAD` and `XREADGROUP`: streams by key, in the order asked for; nil when there is nothing.
pub(crate) fn streams(act: &'static str, reply: Value) -> Result<Streams, Error> {
    let pairs = match reply {
        Value::Nil => return Ok(Vec::new()),
        Value::Map(pairs) => pairs,
        Value::Array(streams) => streams.into_iter().map(|stream| pair(act, stream)).collect::<Result<_, _>>()?,
        other => return Err(unreadable(act, &other)),
    };
    pairs.into_iter().map(|(key, value)| Ok((bytes(act, key)?, entries(act, value)?))).collect()
}

/// The reply of `XRANGE` and `XREVRANGE`.
pub(crate) fn entries(act: &'static str, reply: Value) -> Result<Vec<Raw>, Error> {
    array(act, reply)?
        .into_iter()
        .map(|value| {
            let (id, fields) = pair(act, value)?;
            let fields = match fields {
                Value::Nil => None,
                fields => Some(pairs(act, fields)?),
            };
            Ok(Raw { id: entry_id(act, id)?, fields })
        })
        .collect()
}

/// A list of entry ids.
pub(crate) fn ids(act: &'static str, reply: Value) -> Result<Vec<EntryId>, Error> {
    array(act, reply)?.into_iter().map(|value| entry_id(act, value)).collect()
}

/// A hash, or a list of names and values in turn.
pub(crate) fn pairs(act: &'static str, reply: Value) -> Result<Pairs, Error> {
    let values = match reply {
        Value::Map(pairs) => return pairs.into_iter().map(|(name, value)| Ok((bytes(act, name)?, bytes(act, value)?))).collect(),
        other => array(act, other)?,
    };
    let mut values = values.into_iter();
    let mut pairs = Vec::with_capacity(values.len() / 2);
    while let (Some(name), Some(value)) = (values.next(), values.next()) {
        pairs.push((bytes(act, name)?, bytes(act, value)?));
    }
    Ok(pairs)
}

/// A hash of words.
pub(crate) fn words(act: &'static str, reply: Value) -> Result<Vec<(String, String)>, Error> {
    let word = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(pairs(act, reply)?.into_iter().map(|(name, value)| (word(name), word(value))).collect())
}

pub(crate) fn array(act: &'static str, value: Value) -> Result<Vec<Value>, Error> {
    match value {
        Value::Array(values) => Ok(values),
        Value::Nil => Ok(Vec::new()),
        other => Err(unreadable(act, &other)),
    }
}

pub(crate) fn bytes(act: &'static str, value: Value) -> Result<Vec<u8>, Error> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        Value::Int(number) => Ok(number.to_string().into_bytes()),
        Value::Nil => Ok(Vec::new()),
        other => Err(unreadable(act, &other)),
    }
}

pub(crate) fn text(act: &'static str, value: Value) -> Result<String, Error> {
    bytes(act, value).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

pub(crate) fn count(act: &'static str, value: &Value) -> Result<u64, Error> {
    match value {
        Value::Int(number) => u64::try_from(*number).map_err(|_| unreadable(act, value)),
        Value::Nil => Ok(0),
        other => Err(unreadable(act, other)),
    }
}

pub(crate) fn entry_id(act: &'static str, value: Value) -> Result<EntryId, Error> {
    text(act, value)?.parse().map_err(|error| Error::Unreadable { act, what: format!("{error}") })
}

fn pair(act: &'static str, value: Value) -> Result<(Value, Value), Error> {
    let values = array(act, value)?;
    match <[Value; 2]>::try_from(values) {
        Ok([first, second]) => Ok((first, second)),
        Err(values) => Err(unreadable(act, &Value::Array(values))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn streams_keep_their_order_and_deleted_entries_their_id() {
        let entry = Value::Array(vec![bulk("5-1"), Value::Array(vec![bulk("h"), bulk("{}"), bulk("p"), bulk("x")])]);
        let deleted = Value::Array(vec![bulk("5-2"), Value::Nil]);
        let reply = Value::Array(vec![Value::Array(vec![bulk("q1"), Value::Array(vec![entry, deleted])])]);
        let mut read = streams("a test", reply).unwrap();
        let (key, mut raws) = read.remove(0);
        assert_eq!(key, b"q1");
        assert_eq!((raws[0].take(b"p"), raws[0].take(b"h"), raws[0].take(b"z")), (Some(b"x".to_vec()), Some(b"{}".to_vec()), None));
        assert_eq!(raws[1], Raw { id: EntryId { ms: 5, seq: 2 }, fields: None });
        assert_eq!(streams("a test", Value::Nil).unwrap(), []);
    }

    #[test]
    fn another_shape_is_an_error_that_shows_it() {
        let error = streams("a test", Value::Int(7)).unwrap_err();
        assert_eq!(error.to_string(), "cannot read the answer of Redis to a test: int(7)");
    }
}
