//! Stream records, rendered once, when the change happens.

use crate::clock::milliseconds;
use crate::error::{Error, Result};
use crate::item::Item;
use crate::settings::Settings;
use crate::stored::Stored;
use crate::stream::sequence::SequenceNumber;

/// What a stream's records carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// The key alone.
    KeysOnly,
    /// The key and the item as it became.
    NewImage,
    /// The key and the item as it was.
    OldImage,
    /// The key and both.
    NewAndOldImages,
}

impl View {
    /// Returns AWS' name, such as `NEW_AND_OLD_IMAGES`.
    pub fn name(self) -> &'static str {
        match self {
            Self::KeysOnly => "KEYS_ONLY",
            Self::NewImage => "NEW_IMAGE",
            Self::OldImage => "OLD_IMAGE",
            Self::NewAndOldImages => "NEW_AND_OLD_IMAGES",
        }
    }

    pub(crate) fn from_name(name: &str) -> Result<Self> {
        [Self::KeysOnly, Self::NewImage, Self::OldImage, Self::NewAndOldImages]
            .into_iter()
            .find(|view| view.name() == name)
            .ok_or_else(|| Error::validation(format!("Invalid StreamViewType: {name}")))
    }
}

/// Who made a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    User,
    /// The item's time to live had passed.
    TimeToLive,
}

/// A change of one item.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) key: &'a Item,
    pub(crate) old: Option<&'a Stored>,
    pub(crate) new: Option<&'a Stored>,
    pub(crate) origin: Origin,
}

/// A record of a shard.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) sequence: SequenceNumber,
    /// When it happened, in milliseconds; the record itself tells only the second.
    pub(crate) created: u64,
    pub(crate) size: usize,
    pub(crate) json: String,
}

impl Record {
    pub(crate) fn new(
        change: &Change<'_>,
        view: View,
        sequence: SequenceNumber,
        now: u64,
        settings: &Settings,
    ) -> Self {
        let new = change.new.filter(|_| matches!(view, View::NewImage | View::NewAndOldImages));
        let old = change.old.filter(|_| matches!(view, View::OldImage | View::NewAndOldImages));
        let name = match (change.old, change.new) {
            (None, _) => "INSERT",
            (_, Some(_)) => "MODIFY",
            (_, None) => "REMOVE",
        };
        let text = sequence.to_string();
        let id = [0, 1].map(|n| settings.dice.hex(16, &text, n)).concat();
        let head = format!(
            "{{\"eventID\":\"{id}\",\"eventName\":\"{name}\",\"eventVersion\":\"1.1\",\"eventSource\":\"aws:dynamodb\",\
             \"awsRegion\":\"{}\",\"dynamodb\":{{\"ApproximateCreationDateTime\":{},\"Keys\":{}",
            settings.region,
            whole_second(now, settings.dice.draw(&text, 2)),
            change.key.to_json()
        );
        let image = |label, image: Option<&Stored>| {
            image.map_or_else(String::new, |image| format!(",\"{label}\":{}", image.json))
        };
        let images = image("NewImage", new) + &image("OldImage", old);
        let size = change.key.size() + new.map_or(0, |image| image.size) + old.map_or(0, |image| image.size);
        let tail =
            format!(",\"SequenceNumber\":\"{text}\",\"SizeBytes\":{size},\"StreamViewType\":\"{}\"}}", view.name());
        let identity = match change.origin {
            Origin::User => "",
            Origin::TimeToLive => ",\"userIdentity\":{\"PrincipalId\":\"dynamodb.amazonaws.com\",\"Type\":\"Service\"}",
        };
        let json = [&head, &images, &tail, identity, "}"].concat();
        Self { sequence, created: now, size, json }
    }
}

/// Writes whole seconds in one of the forms of a JSON number: plain, with an exponent as AWS does, or with decimals as `DynamoDB`
/// Local does.
fn whole_second(ms: u64, drawn: u64) -> String {
    let seconds = (ms / milliseconds(std::time::Duration::from_secs(1))).to_string();
    let (first, rest) = seconds.split_at(1);
    match drawn % 3 {
        0 if rest.len() == 9 => format!("{first}.{rest}E9"),
        1 => format!("{seconds}.000"),
        _ => seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_seconds_in_every_form() {
        let forms: Vec<_> = (0..3).map(|drawn| whole_second(1_735_689_600_999, drawn)).collect();
        assert_eq!(forms, ["1.735689600E9", "1735689600.000", "1735689600"]);
    }
}
