package awssim

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// route is the first rule whose conditions all hold for r. The default rule has
// no conditions and comes last.
func route(rules []*rule, r *http.Request) *rule {
	for _, candidate := range rules {
		holds := func(c condition) bool { return c.matches(r) }
		if candidate.isDefault() || !slices.ContainsFunc(candidate.conditions, not(holds)) {
			return candidate
		}
	}
	return nil
}

func not[T any](f func(T) bool) func(T) bool { return func(v T) bool { return !f(v) } }

// matches tells whether one of the condition's values fits the request.
func (c condition) matches(r *http.Request) bool {
	switch c.field {
	case "host-header":
		return anyFolded(c.values, hostname(r.Host))
	case "path-pattern":
		path := r.URL.EscapedPath()
		return slices.ContainsFunc(c.values, func(v string) bool { return wildcard(v, path) })
	case "http-request-method":
		return slices.Contains(c.values, r.Method)
	case "http-header":
		fits := func(v string) bool { return anyFolded(c.values, v) }
		return slices.ContainsFunc(r.Header.Values(c.name), fits)
	case "query-string":
		query := r.URL.Query()
		return slices.ContainsFunc(c.query, func(v queryValue) bool { return v.matches(query) })
	case "source-ip":
		return fromAny(c.values, r.RemoteAddr)
	}
	return false
}

// hostname is a Host header without its port and in lower case.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(host)
}

func anyFolded(patterns []string, value string) bool {
	value = strings.ToLower(value)
	return slices.ContainsFunc(patterns, func(p string) bool { return wildcard(strings.ToLower(p), value) })
}

func (v queryValue) matches(query url.Values) bool {
	for key, values := range query {
		keyFits := v.key == "" || anyFolded([]string{v.key}, key)
		if keyFits && slices.ContainsFunc(values, func(s string) bool { return anyFolded([]string{v.value}, s) }) {
			return true
		}
	}
	return false
}

// fromAny tells whether a connection's peer is inside one of the blocks. What
// X-Forwarded-For claims does not count.
func fromAny(blocks []string, remote string) bool {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	addresses := clientAddresses(peer.Addr())
	return slices.ContainsFunc(blocks, func(block string) bool { return inBlock(block, addresses) })
}

func inBlock(block string, addresses []netip.Addr) bool {
	prefix, err := netip.ParsePrefix(block)
	return err == nil && slices.ContainsFunc(addresses, prefix.Contains)
}

// clientAddresses are the addresses that a client has here: its own, and 10.A.B.C if
// that is 127.A.B.C, as for targets. So clients of many networks can live on one
// machine.
func clientAddresses(peer netip.Addr) []netip.Addr {
	peer = peer.Unmap()
	addresses := []netip.Addr{peer}
	if peer.Is4() && peer.IsLoopback() {
		b := peer.As4()
		b[0] = 10
		addresses = append(addresses, netip.AddrFrom4(b))
	}
	return addresses
}

// wildcard matches the whole of s: * is any run of characters, the slash
// included, ? exactly one, and a backslash takes the meaning from either.
//
// On a mismatch only the latest star can help, by taking one character more, so
// the time is at most the product of the lengths.
func wildcard(pattern, s string) bool {
	retry, taken := -1, 0 // where to go on after the latest star, and what it has taken
	p, i := 0, 0
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			p++
			retry, taken = p, i
			continue
		}
		if width := matchOne(pattern[p:], s[i]); width > 0 {
			p, i = p+width, i+1
			continue
		}
		if retry < 0 {
			return false
		}
		taken++
		p, i = retry, taken
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// matchOne is the length of the pattern's first element if that matches c, else 0.
func matchOne(pattern string, c byte) int {
	switch {
	case pattern == "":
		return 0
	case pattern[0] == '\\' && len(pattern) > 1 && (pattern[1] == '*' || pattern[1] == '?'):
		if pattern[1] == c {
			return 2
		}
		return 0
	case pattern[0] == '?' || pattern[0] == c:
		return 1
	}
	return 0
}
