//! Numbers with names. Each is open: a value that we do not know survives, and prints as its number.

/// Defines a newtype with one constant for each known value; `name()`, `Display` and `Debug` know their names.
macro_rules! code_points {
    (
        $(#[$type_doc:meta])*
        pub struct $type:ident($raw:ty);
        $($(#[$doc:meta])* $name:ident = $value:literal,)*
    ) => {
        $(#[$type_doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(pub $raw);

        impl $type {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// The name of a known value.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }

        /// The name, or the number of an unknown value.
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => std::fmt::Display::fmt(&self.0, f),
                }
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({self})", stringify!($type))
            }
        }
    };
}

pub(crate) use code_points;
