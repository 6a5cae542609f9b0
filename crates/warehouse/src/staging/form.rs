//! In which form values are staged: data, chosen by each warehouse.

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Parquet with zstd.
    Parquet,
    /// A JSON object in each line, with gzip: for warehouses that read no large document out of Parquet. What is null is left out.
    JsonLines,
}

/// How bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    /// As they are. In JSON lines, which have no bytes, as [`Hex`](Self::Hex).
    Never,
    /// As hexadecimal digits in lower case.
    Hex,
    /// As base64 with padding.
    Base64,
}

/// In which form rows are staged.
///
/// Numbers that no decimal holds are text always. Documents are text, unless they are [`embedded`](Self::embedded).
#[expect(clippy::struct_excessive_bools, reason = "each is about one kind of value")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// The kind of file.
    pub format: Format,
    /// How bytes are written.
    pub binary: Texts,
    /// Whether decimals are text, too: their digits, as many behind the point as their type has. In JSON lines they are numbers otherwise.
    pub decimals_as_text: bool,
    /// Whether whole numbers are text, too, for a warehouse that may read numbers of JSON as doubles.
    pub integers_as_text: bool,
    /// Whether times are text, too, such as `2026-11-28 09:30:00.000001+00:00`. In JSON lines they always are.
    pub times_as_text: bool,
    /// Whether documents are values of the line, and no text that holds them; only in JSON lines.
    pub embedded: bool,
}

impl Form {
    /// Parquet, every value in the type that Arrow has for it.
    pub const PARQUET: Self = Self {
        format: Format::Parquet,
        binary: Texts::Never,
        decimals_as_text: false,
        integers_as_text: false,
        times_as_text: false,
        embedded: false,
    };

    /// JSON lines, with documents as text and bytes as hexadecimal digits.
    pub const JSON_LINES: Self = Self { format: Format::JsonLines, binary: Texts::Hex, ..Self::PARQUET };

    /// Returns what the files' names end with.
    pub fn extension(&self) -> &'static str {
        match self.format {
            Format::Parquet => "parquet",
            Format::JsonLines => "json.gz",
        }
    }
}
