package awssim

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The cookies of a load balancer. Each has a twin for requests from other sites.
const (
	groupCookie  = "AWSALBTG"
	targetCookie = "AWSALB"
	appCookie    = "AWSALBAPP-0"
	twin         = "CORS"
)

// sticky is what a request's cookies say about where it went before, and what the
// response is to say. Cookies are readable here, and encrypted at AWS.
//
// A client stays with a group that has weight 0 by now, until its time is over. It
// leaves a target that is deregistered or not healthy.
type sticky struct {
	req     *http.Request
	secure  bool
	now     time.Time
	set     []*http.Cookie
	app     *http.Cookie // set only if the target sets the cookie named watched
	watched string
}

func newSticky(r *http.Request, now time.Time) *sticky {
	return &sticky{req: r, secure: r.TLS != nil, now: now}
}

// groupOf is the group that the client has to stay with, nil if it is free.
func (k *sticky) groupOf(a action) *targetGroup {
	if a.stickySeconds == 0 {
		return nil
	}
	arn := k.read(groupCookie)
	for _, w := range a.forward {
		if arn != "" && w.group.arn == arn {
			return w.group
		}
	}
	return nil
}

// targetOf is the target that the client has to stay with, nil if it is free or the
// target cannot have it any more.
func (k *sticky) targetOf(g *targetGroup, lb *loadBalancer, shifted map[string]bool, now time.Time) *registration {
	name, _ := g.stickiness()
	if name == "" {
		return nil
	}
	arn, address, _ := strings.Cut(k.read(name), " ")
	at, err := netip.ParseAddrPort(address)
	if err != nil || arn != g.arn {
		return nil
	}
	r := g.targets[targetKey{ip: at.Addr(), port: int(at.Port())}]
	if r == nil || r.state != stateHealthy || !r.routable(lb, now) || shifted[r.zone] {
		return nil
	}
	return r
}

// stickiness is the cookie that binds a client to a target of the group, "" for none,
// and for how long.
func (g *targetGroup) stickiness() (cookie string, lasts time.Duration) {
	if g.attributes["stickiness.enabled"] != "true" {
		return "", 0
	}
	cookie, attribute := targetCookie, "stickiness.lb_cookie.duration_seconds"
	if g.attributes["stickiness.type"] == "app_cookie" {
		cookie, attribute = appCookie, "stickiness.app_cookie.duration_seconds"
	}
	seconds, err := strconv.Atoi(g.attributes[attribute])
	if err != nil {
		return "", 0
	}
	return cookie, time.Duration(seconds) * time.Second
}

// bind notes what the response has to say about the group and the target chosen.
func (k *sticky) bind(a action, g *targetGroup, r *registration) {
	if a.stickySeconds > 0 {
		k.set = append(k.set, k.cookies(groupCookie, g.arn, time.Duration(a.stickySeconds)*time.Second)...)
	}
	name, lasts := g.stickiness()
	value := g.arn + " " + netip.AddrPortFrom(r.key.ip, uint16(r.key.port)).String()
	switch name {
	case targetCookie:
		k.set = append(k.set, k.cookies(targetCookie, value, lasts)...)
	case appCookie:
		k.app, k.watched = k.cookies(appCookie, value, lasts)[0], g.attributes["stickiness.app_cookie.cookie_name"]
	}
}

// read is the value of a cookie that has not expired, or "".
func (k *sticky) read(name string) string {
	for _, n := range []string{name, name + twin} {
		c, err := k.req.Cookie(n)
		if err != nil {
			continue
		}
		text, err := base64.URLEncoding.DecodeString(c.Value)
		until, value, _ := strings.Cut(string(text), " ")
		expires, numberErr := strconv.ParseInt(until, 10, 64)
		if err == nil && numberErr == nil && k.now.Unix() < expires {
			return value
		}
	}
	return ""
}

// cookies are a cookie and its twin.
func (k *sticky) cookies(name, value string, lasts time.Duration) []*http.Cookie {
	expires := k.now.Add(lasts)
	encoded := base64.URLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", expires.Unix(), value))
	return []*http.Cookie{
		{Name: name, Value: encoded, Expires: expires, Path: "/"},
		{Name: name + twin, Value: encoded, Expires: expires, Path: "/", SameSite: http.SameSiteNoneMode, Secure: k.secure},
	}
}

// stamp adds the cookies to a target's response.
func (k *sticky) stamp(resp *http.Response) {
	for _, c := range resp.Cookies() {
		if k.app != nil && c.Name == k.watched {
			resp.Header.Add("Set-Cookie", k.app.String())
			break
		}
	}
	for _, c := range k.set {
		resp.Header.Add("Set-Cookie", c.String())
	}
}
