package awssim

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

type redirectParams struct {
	StatusCode string `check:"required,enum=HTTP_301|HTTP_302"`
	Protocol   *string
	Port       *string
	Host       *string `check:"max=128"`
	Path       *string `check:"max=128"`
	Query      *string `check:"max=128"`
}

type redirectResult struct {
	StatusCode                        string
	Protocol, Port, Host, Path, Query *string
}

// sameURL is a redirect that changes nothing: what is not given is as here.
var sameURL = redirect{protocol: "#{protocol}", port: "#{port}", host: "#{host}", path: "/#{path}", query: "#{query}"}

var keyword = regexp.MustCompile(`#\{[^}]*\}?`)

// redirect reads a redirect action of a listener with that protocol.
func (p *redirectParams) redirect(listener string) (*redirect, error) {
	r := sameURL
	r.statusCode = p.StatusCode
	set(&r.protocol, p.Protocol)
	set(&r.port, p.Port)
	set(&r.host, p.Host)
	set(&r.path, p.Path)
	set(&r.query, p.Query)
	switch {
	case r.differsOnlyInQuery():
		return nil, errAPI("InvalidLoadBalancerAction", "The redirect configuration is not valid because it creates a loop")
	case r.protocol == "HTTP" && listener == "HTTPS":
		return nil, errAPI("InvalidLoadBalancerAction", "Redirects from HTTPS to HTTP are not allowed")
	}
	return &r, r.check()
}

func (r redirect) differsOnlyInQuery() bool {
	return r.protocol == sameURL.protocol && r.port == sameURL.port && r.host == sameURL.host && r.path == sameURL.path
}

func (r redirect) check() error {
	port, err := strconv.Atoi(r.port)
	switch {
	case !slices.Contains([]string{"HTTP", "HTTPS", sameURL.protocol}, r.protocol):
		return errValidation("Redirect protocol '%s' must be HTTP, HTTPS or #{protocol}", r.protocol)
	case r.port != sameURL.port && (err != nil || port < 1 || port > maxPort):
		return errValidation("Redirect port '%s' must be #{port} or between 1 and 65535", r.port)
	case r.host == "":
		return errValidation("A redirect host cannot be empty")
	case !strings.HasPrefix(r.path, "/"):
		return errValidation("Redirect path '%s' must begin with '/'", r.path)
	}
	return r.checkKeywords()
}

// checkKeywords refuses keywords that a component cannot have.
func (r redirect) checkKeywords() error {
	for text, allowed := range map[string][]string{
		r.host:  {"#{host}"},
		r.path:  {"#{host}", "#{path}", "#{port}"},
		r.query: {"#{protocol}", "#{host}", "#{port}", "#{path}", "#{query}"},
	} {
		for _, word := range keyword.FindAllString(text, -1) {
			if !slices.Contains(allowed, word) {
				return errValidation("The keyword '%s' is not valid in the redirect component '%s'", word, text)
			}
		}
	}
	return nil
}

func (r *redirect) result() *redirectResult {
	if r == nil {
		return nil
	}
	return &redirectResult{r.statusCode, &r.protocol, &r.port, &r.host, &r.path, &r.query}
}
