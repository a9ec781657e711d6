//! torrc and the command line, read into plain structs
