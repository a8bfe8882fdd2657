package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// A connection to a browser: the DevTools protocol over a WebSocket.
type devtools struct {
	connection net.Conn
	reader     *bufio.Reader
	number     int
}

func dial(address string) (*devtools, error) {
	target, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	connection, err := net.Dial("tcp", target.Host)
	if err != nil {
		return nil, err
	}
	header := http.Header{
		"Connection":            {"Upgrade"},
		"Upgrade":               {"websocket"},
		"Sec-Websocket-Key":     {"nil"}, // as rod
		"Sec-Websocket-Version": {"13"},
	}
	request := &http.Request{Method: http.MethodGet, URL: target, Header: header}
	if err := request.Write(connection); err != nil {
		return nil, err
	}
	reader := bufio.NewReader(connection)
	answer, err := http.ReadResponse(reader, request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		text, _ := io.ReadAll(answer.Body)
		return nil, fmt.Errorf("%s: %s", answer.Status, text)
	}
	return &devtools{connection: connection, reader: reader}, nil
}

// Sends a command; its result is stored in into.
func (d *devtools) ask(session, method string, params, into any) error {
	d.number++
	command := map[string]any{"id": d.number, "method": method, "params": params}
	if session != "" {
		command["sessionId"] = session
	}
	text, err := json.Marshal(command)
	if err != nil {
		return err
	}
	if err := d.send(text); err != nil {
		return err
	}
	for {
		text, err := d.receive()
		if err != nil {
			return err
		}
		var answer struct {
			ID     int             `json:"id"`
			Result json.RawMessage `json:"result"`
			Error  json.RawMessage `json:"error"`
		}
		if err := json.Unmarshal(text, &answer); err != nil {
			return err
		}
		if answer.ID != d.number {
			continue
		}
		if answer.Error != nil {
			return fmt.Errorf("%s: %s", method, answer.Error)
		}
		return json.Unmarshal(answer.Result, into)
	}
}

// The mask of zeros leaves the text as it is.
func (d *devtools) send(text []byte) error {
	frame := []byte{0x81, 0x80 | byte(min(len(text), 126))}
	if len(text) >= 126 {
		frame = binary.BigEndian.AppendUint16(frame, uint16(len(text)))
	}
	frame = append(frame, 0, 0, 0, 0)
	_, err := d.connection.Write(append(frame, text...))
	return err
}

func (d *devtools) receive() ([]byte, error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(d.reader, head); err != nil {
		return nil, err
	}
	size := uint64(head[1])
	if size >= 126 {
		more := make([]byte, map[uint64]int{126: 2, 127: 8}[size])
		if _, err := io.ReadFull(d.reader, more); err != nil {
			return nil, err
		}
		size = 0
		for _, part := range more {
			size = size<<8 | uint64(part)
		}
	}
	text := make([]byte, size)
	_, err := io.ReadFull(d.reader, text)
	return text, err
}
