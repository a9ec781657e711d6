//! Keywords: enums whose arms are words of the protocol.

/// An enum with one word an arm. `closed` sets are those of which a controller must understand every member to make
/// sense of the event (a circuit's status); in `open` ones, where the specification tells controllers to accept words
/// that they don't know, another word survives in the arm `Other`.
macro_rules! words {
    ($(#[$doc:meta])* closed $name:ident { $($(#[$arm_doc:meta])* $arm:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$arm_doc])* #[doc = concat!("`", $word, "`")] $arm,)* }

        impl $name {
            /// Every arm.
            pub const ALL: &'static [Self] = &[$(Self::$arm,)*];

            /// The word on the wire.
            pub const fn as_str(&self) -> &'static str {
                match self { $(Self::$arm => $word,)* }
            }

            /// The word, as the filters want it.
            #[allow(dead_code, reason = "not every set is filtered by")]
            pub(crate) fn word(&self) -> std::borrow::Cow<'static, str> {
                self.as_str().into()
            }

            /// The arm of that word; words are upper case.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|arm| arm.as_str() == word)
            }
        }

        crate::words::display!($name);
    };
    ($(#[$doc:meta])* open $name:ident { $($(#[$arm_doc:meta])* $arm:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$arm_doc])* #[doc = concat!("`", $word, "`")] $arm,)*
            /// A word that this crate does not know.
            Other(String),
        }

        impl $name {
            /// Every arm but [`Self::Other`].
            pub const ALL: &'static [Self] = &[$(Self::$arm,)*];

            /// The word on the wire.
            pub fn as_str(&self) -> &str {
                match self { $(Self::$arm => $word,)* Self::Other(word) => word }
            }

            #[allow(dead_code, reason = "not every set is filtered by")]
            /// The word, without a copy where it is a known one.
            pub(crate) fn word(&self) -> std::borrow::Cow<'static, str> {
                match self { $(Self::$arm => $word.into(),)* Self::Other(word) => word.clone().into() }
            }

            /// Appends the word. Only one that isn't ours must be looked at first.
            pub(crate) fn put(out: &mut Vec<u8>, word: &Self) {
                match word {
                    Self::Other(word) => crate::text::put_word(out, word),
                    known => crate::text::put(out, known.as_str()),
                }
            }

            /// The arm of that word.
            pub fn from_word(word: &str) -> Self {
                match word { $($word => Self::$arm,)* _ => Self::Other(word.to_owned()) }
            }
        }

        crate::words::display!($name);
    };
}

macro_rules! display {
    ($name:ident) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

pub(crate) use {display, words};
