//! What a browser sees that takes the SOCKS port for an HTTP proxy.

/// True if a request starts as GET, HEAD, POST, PUT, PATCH or CONNECT does.
pub(crate) const fn looks_like_http(first: u8) -> bool {
    matches!(first, b'G' | b'H' | b'P' | b'C')
}

pub(crate) const ANSWER: &[u8] = b"HTTP/1.0 501 Tor is not an HTTP Proxy\r\n\
Content-Type: text/html; charset=iso-8859-1\r\n\
\r\n\
<html>\n\
<head><title>This port speaks SOCKS, not HTTP</title></head>\n\
<body>\n\
<h1>This port speaks SOCKS, not HTTP.</h1>\n\
<p>Your browser, or another program, uses this port of Tor as an HTTP proxy. It is a SOCKS proxy.</p>\n\
<p>Enter it as SOCKS proxy (version 5) in the program's settings. For programs that know HTTP proxies only, open an\n\
HTTP tunnel port with the option <code>HTTPTunnelPort</code> and use that.</p>\n\
<p>More: <a href=\"https://support.torproject.org/\">support.torproject.org</a></p>\n\
</body>\n\
</html>\n";
