package awssim

import (
	"net/http"
	"strconv"
	"strings"
)

// maxLocation is the length of a URL above which a redirect is a 507.
const maxLocation = 8 << 10

// urlParts are the parts of a request's URL as the keywords of a redirect name them.
type urlParts struct{ protocol, host, port, path, query string }

// protocolOf is the protocol of the listener that a request came to.
func protocolOf(r *http.Request) string {
	if r.TLS != nil {
		return "HTTPS"
	}
	return "HTTP"
}

func (p *port) urlOf(r *http.Request) urlParts {
	return urlParts{
		protocol: protocolOf(r),
		host:     hostname(r.Host),
		port:     strconv.Itoa(p.number),
		path:     strings.TrimPrefix(r.URL.EscapedPath(), "/"),
		query:    r.URL.RawQuery,
	}
}

// location is where a redirect sends a request. It always has a port, like AWS's.
func (r *redirect) location(u urlParts) string {
	fill := strings.NewReplacer(
		"#{protocol}", u.protocol, "#{host}", u.host, "#{port}", u.port, "#{path}", u.path, "#{query}", u.query,
	).Replace
	url := strings.ToLower(fill(r.protocol)) + "://" + fill(r.host) + ":" + fill(r.port) + fill(r.path)
	if query := fill(r.query); query != "" {
		url += "?" + query
	}
	return url
}

// redirect sends the answer of a redirect action.
func (w *response) redirect(r *redirect, u urlParts) {
	status := http.StatusMovedPermanently
	if r.statusCode == "HTTP_302" {
		status = http.StatusFound
	}
	location := r.location(u)
	if len(location) > maxLocation {
		w.page(http.StatusInsufficientStorage)
		return
	}
	w.header.Set("Location", location)
	w.page(status)
}
