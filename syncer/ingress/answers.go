package ingress

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of what a load balancer answers itself, from AWS's pages on rule actions and
// on quotas.
const (
	maxRedirectPart = 128
	maxMessageBody  = 1024
)

// What stands in a redirect for what was asked for.
const (
	sameProtocol = "#{protocol}"
	sameHost     = "#{host}"
	samePort     = "#{port}"
	samePath     = "/#{path}"
	sameQuery    = "#{query}"
)

var (
	fixedStatusPattern = regexp.MustCompile(`^[245]\d\d$`)
	placeholderPattern = regexp.MustCompile(`#\{[^}]*\}?`)

	placeholders      = []string{"#{protocol}", "#{host}", "#{port}", "#{path}", "#{query}"}
	redirectCodes     = []string{"HTTP_301", "HTTP_302"}
	redirectProtocols = []string{protocolHTTP, protocolHTTPS, sameProtocol}
	contentTypes      = []string{contentTypePlain, "text/css", "text/html", "application/javascript", "application/json"}
)

// readRedirect fills in what is not given: it stays as it was asked for.
func (a *actionReader) readRedirect(spec redirectSpec, at place) *Redirect {
	r := &Redirect{
		StatusCode: spec.StatusCode,
		Protocol:   orElse(spec.Protocol, sameProtocol), Host: orElse(spec.Host, sameHost), Port: orElse(spec.Port, samePort),
		Path: orElse(spec.Path, samePath), Query: orElse(spec.Query, sameQuery),
	}
	a.checkOneOf(r.StatusCode, redirectCodes, at.at(".statusCode"))
	a.checkOneOf(r.Protocol, redirectProtocols, at.at(".protocol"))
	if port, err := strconv.Atoi(r.Port); r.Port != samePort && (err != nil || port < 1 || port > maxPort) {
		a.invalid(at.at(".port"), "%q must be from 1 to %d, or %s", r.Port, maxPort, samePort)
	}
	if r.Host == "" {
		a.invalid(at.at(".host"), "must not be empty")
	}
	if !strings.HasPrefix(r.Path, "/") {
		a.invalid(at.at(".path"), "%q must begin with /", r.Path)
	}
	a.checkPart(r.Host, at.at(".host"))
	a.checkPart(r.Path, at.at(".path"))
	a.checkPart(r.Query, at.at(".query"))
	if *r == (Redirect{StatusCode: r.StatusCode, Protocol: sameProtocol, Host: sameHost, Port: samePort, Path: samePath, Query: r.Query}) {
		a.invalid(at, "must change one of protocol, host, port and path, or it leads back to itself")
	}
	return r
}

func (a *actionReader) checkOneOf(value string, words []string, at place) {
	if !slices.Contains(words, value) {
		a.invalid(at, "%q must be one of %s", value, strings.Join(words, ", "))
	}
}

func (a *actionReader) checkPart(part string, at place) {
	if utf8.RuneCountInString(part) > maxRedirectPart {
		a.invalid(at, "is longer than %d characters", maxRedirectPart)
	}
	for _, found := range placeholderPattern.FindAllString(part, -1) {
		if !slices.Contains(placeholders, found) {
			a.invalid(at, "%s is none of %s", found, strings.Join(placeholders, ", "))
		}
	}
}

func (a *actionReader) readFixedResponse(spec fixedResponseSpec, at place) *FixedResponse {
	status := spec.StatusCode.String()
	if !fixedStatusPattern.MatchString(status) {
		a.invalid(at.at(".statusCode"), "%q must be 2xx, 4xx or 5xx", status)
	}
	if spec.ContentType != "" {
		a.checkOneOf(spec.ContentType, contentTypes, at.at(".contentType"))
	}
	if utf8.RuneCountInString(spec.MessageBody) > maxMessageBody {
		a.invalid(at.at(".messageBody"), "is longer than %d characters", maxMessageBody)
	}
	code, _ := strconv.Atoi(status) // was checked
	return &FixedResponse{StatusCode: code, ContentType: spec.ContentType, MessageBody: spec.MessageBody}
}

func orElse(given *string, standard string) string {
	if given == nil {
		return standard
	}
	return *given
}
