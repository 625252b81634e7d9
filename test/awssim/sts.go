package awssim

import (
	"fmt"
	"net/http"
	"regexp"
	"time"
)

// stsOperations are the simulated actions of STS.
var stsOperations = map[string]operation{
	"AssumeRole":        op(stsRate, (*Sim).assumeRoleLocked),
	"GetCallerIdentity": op(stsRate, (*Sim).callerIdentityLocked),
}

var stsRate = rate{size: 600, refill: 600}

type assumeRoleParams struct {
	RoleArn                 string `check:"required"`
	RoleSessionName         string `check:"required,min=2,max=64"`
	ExternalId              string
	DurationSeconds         int `check:"min=900,max=43200"`
	MinimumSessionTokenSize unsupported
	Policy                  unsupported
	PolicyArns              unsupported
	ProvidedContexts        unsupported
	SerialNumber            unsupported
	SourceIdentity          unsupported
	Tags                    unsupported
	TokenCode               unsupported
	TransitiveTagKeys       unsupported
}

type assumeRoleResult struct {
	Credentials struct {
		AccessKeyId     string
		SecretAccessKey string
		SessionToken    string
		Expiration      time.Time
	}
	AssumedRoleUser struct{ AssumedRoleId, Arn string }
}

var roleARN = regexp.MustCompile(`^arn:aws:iam::(\d{12}):role/([\w+=,.@/-]+)$`)

// initialSession is how long credentials last if a call says nothing.
const initialSession = time.Hour

// sessionKeyPrefix begins the access key ID of a session, as on AWS.
const sessionKeyPrefix = "ASIA"

// assumeRoleLocked makes credentials of another account, or of this one.
func (s *Sim) assumeRoleLocked(p *assumeRoleParams) (any, error) {
	match := roleARN.FindStringSubmatch(p.RoleArn)
	if match == nil {
		return nil, errValidation("%s is invalid", p.RoleArn)
	}
	denied := &apiError{http.StatusForbidden, "AccessDenied", fmt.Sprintf("User: %s is not authorized to perform: sts:AssumeRole on resource: %s",
		s.identityOf(s.caller), p.RoleArn)}
	a := s.world.account(match[1])
	if a == nil {
		return nil, denied
	}
	key := sessionKeyPrefix + fmt.Sprintf("%X", s.digestLocked("session "+p.RoleArn+" "+p.RoleSessionName))[:16]
	lasts := time.Duration(p.DurationSeconds) * time.Second
	if lasts == 0 {
		lasts = initialSession
	}
	one := session{
		sim: a, token: "token-of-" + key, expires: time.Now().Add(lasts),
		arn: fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/%s", match[1], match[2], p.RoleSessionName),
	}
	if !s.world.assume(p.RoleArn, p.ExternalId, key, one) {
		return nil, denied
	}
	var result assumeRoleResult
	result.Credentials.AccessKeyId, result.Credentials.SecretAccessKey = key, "SECRET"
	result.Credentials.SessionToken, result.Credentials.Expiration = one.token, one.expires
	result.AssumedRoleUser.AssumedRoleId, result.AssumedRoleUser.Arn = "AROA"+key[4:]+":"+p.RoleSessionName, one.arn
	return result, nil
}

func (s *Sim) callerIdentityLocked(*struct{}) (any, error) {
	return struct{ UserId, Account, Arn string }{s.caller, s.opts.AccountID, s.identityOf(s.caller)}, nil
}

// identityOf is the ARN of who has an access key: a session, or a user of this
// account with the key's name.
func (s *Sim) identityOf(key string) string {
	if one, ok := s.world.session(key); ok {
		return one.arn
	}
	return fmt.Sprintf("arn:aws:iam::%s:user/%s", s.opts.AccountID, key)
}
