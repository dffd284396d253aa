//! The header of a safetensors file, checked against the file's size.

use crate::error::{Error, Result};
use safetensors::tensor::{Dtype, Metadata};

/// Bytes of the length that precedes the header.
const LENGTH: usize = 8;

/// One tensor as the header describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name of the tensor.
    pub name: String,
    /// Its element type.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: Vec<usize>,
    /// First byte of its data, from the beginning of the file.
    pub start: usize,
    /// Byte after its last.
    pub stop: usize,
}

/// List the tensors of a file of `file_size` bytes that begins with `beginning`.
///
/// `beginning` is the eight bytes of the header's length and the header. The `safetensors` crate checks that
/// offsets are contiguous and fit shapes and types; this function adds that the data fits the file.
///
/// # Errors
/// [`Error::Header`] with the reason.
pub fn entries(beginning: &[u8], file_size: u64) -> Result<Vec<Entry>> {
    let (length, rest) = beginning
        .split_first_chunk::<LENGTH>()
        .ok_or_else(|| Error::Header(format!("the file has {file_size} bytes, too few for a header")))?;
    let announced = u64::from_le_bytes(*length);
    let header = usize::try_from(announced)
        .ok()
        .and_then(|length| rest.get(..length))
        .ok_or_else(|| {
            Error::Header(format!(
                "the header should be {announced} bytes long, but {} follow: the file is truncated or no safetensors file",
                rest.len()
            ))
        })?;
    let metadata: Metadata = serde_json::from_slice(header)
        .map_err(|error| Error::Header(format!("the header is not valid: {error}")))?;
    let data = LENGTH + header.len();
    let expected = (data as u64).saturating_add(metadata.data_len() as u64);
    if expected != file_size {
        return Err(Error::Header(format!(
            "the header describes a file of {expected} bytes, but it has {file_size}: {}",
            if file_size < expected { "the file is truncated" } else { "bytes are left over" }
        )));
    }
    Ok(metadata
        .offset_keys()
        .into_iter()
        .filter_map(|name| {
            let info = metadata.info(&name)?;
            let (start, stop) = info.data_offsets;
            Some(Entry {
                dtype: info.dtype,
                shape: info.shape.clone(),
                start: data + start,
                stop: data + stop,
                name,
            })
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: usize) -> (Vec<u8>, u64) {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        let size = bytes.len() + data;
        (bytes, size as u64)
    }

    #[test]
    fn tensors_come_in_file_order_with_absolute_offsets() {
        let (bytes, size) = file(
            r#"{"b":{"dtype":"F32","shape":[2,2],"data_offsets":[4,20]},"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}"#,
            20,
        );
        let found = entries(&bytes, size).expect("valid");
        assert_eq!(found.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(found[1].stop as u64, size);
        assert_eq!(found[0].start, bytes.len());
    }

    #[test]
    fn lies_are_refused() {
        let good = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        let (bytes, size) = file(good, 8);
        for (bytes, size, why) in [
            (&bytes[..5], size, "too few"),
            (&bytes[..20], size, "truncated"),
            (&bytes[..], size - 1, "truncated"),
            (&bytes[..], size + 1, "left over"),
        ] {
            let message = entries(bytes, size).expect_err("a lie").to_string();
            assert!(message.contains(why), "{message}");
        }
        let mut huge = bytes.clone();
        huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(entries(&huge, size).is_err());
        for header in [
            "{",
            r#"{"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
            r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,8]}}"#,
        ] {
            let (bytes, size) = file(header, 8);
            assert!(entries(&bytes, size).is_err(), "{header}");
        }
    }
}
